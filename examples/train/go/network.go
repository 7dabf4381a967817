package main

import "math"

// layer is weight [out][in], row by row, and bias [out].
type layer struct {
	inputs, outputs int
	weight, bias    []float64
}

// network is a layer, max(·, 0), and another layer.
type network struct{ first, second layer }

// generator is x -> (1664525·x + 1013904223) mod 2³², beginning with the seed.
func generator(seed uint64) func() float64 {
	x := uint32(seed)
	return func() float64 {
		x = 1664525*x + 1013904223
		return float64(x)
	}
}

func newNetwork(inputs, hidden, classes int, draw func() float64) *network {
	return &network{newLayer(inputs, hidden, draw), newLayer(hidden, classes, draw)}
}

func newLayer(inputs, outputs int, draw func() float64) layer {
	made := layer{inputs, outputs, make([]float64, inputs*outputs), make([]float64, outputs)}
	for _, numbers := range [][]float64{made.weight, made.bias} {
		for n := range numbers {
			numbers[n] = (draw()/(1<<31) - 1) / math.Sqrt(float64(inputs))
		}
	}
	return made
}

// forward is bias + weight · values, each sum beginning with the bias and going through the inputs in order.
func (layer *layer) forward(values []float64) []float64 {
	sums := make([]float64, layer.outputs)
	for out := range sums {
		sum := layer.bias[out]
		for in, weight := range layer.row(out) {
			sum += float64(weight * values[in]) // rounded before it is added: not fused, on any processor
		}
		sums[out] = sum
	}
	return sums
}

// backward adds to the gradient of the layer what a row's inputs and the gradient of its outputs give, and returns that of the inputs.
func (layer *layer) backward(gradient *layer, values, above []float64) []float64 {
	below := make([]float64, layer.inputs)
	for out, each := range above {
		gradient.bias[out] += each
		weights, sums := layer.row(out), gradient.row(out)
		for in, value := range values {
			sums[in] += float64(each * value)
			below[in] += float64(each * weights[in])
		}
	}
	return below
}

func (layer *layer) row(out int) []float64 {
	return layer.weight[out*layer.inputs : (out+1)*layer.inputs]
}

// zeros is a layer of the same shape.
func (layer *layer) zeros() layer {
	return newLayerOfZeros(layer.inputs, layer.outputs)
}

func newLayerOfZeros(inputs, outputs int) layer {
	return layer{inputs, outputs, make([]float64, inputs*outputs), make([]float64, outputs)}
}

// descend is parameter −= rate · gradient.
func (layer *layer) descend(gradient *layer, rate float64) {
	for n := range layer.weight {
		layer.weight[n] -= float64(rate * gradient.weight[n])
	}
	for n := range layer.bias {
		layer.bias[n] -= float64(rate * gradient.bias[n])
	}
}

func relu(values []float64) []float64 {
	positive := make([]float64, len(values))
	for n, value := range values {
		positive[n] = math.Max(value, 0)
	}
	return positive
}
