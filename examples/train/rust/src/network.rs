//! The network: scores = W₂·max(W₁·v + b₁, 0) + b₂, in float64.

/// x -> (1664525·x + 1013904223) mod 2³².
pub struct Generator(u32);

impl Generator {
    /// Beginning with the seed.
    pub fn new(seed: u32) -> Generator {
        Generator(seed)
    }

    /// The next x.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0.into()
    }
}

/// weight `[out][in]`, row by row, and bias `[out]`.
pub struct Layer {
    inputs: usize,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// Two layers.
pub struct Network {
    pub first: Layer,
    pub second: Layer,
}

impl Network {
    pub fn new(inputs: usize, hidden: usize, classes: usize, generator: &mut Generator) -> Network {
        let first = Layer::new(inputs, hidden, generator);
        Network { first, second: Layer::new(hidden, classes, generator) }
    }

    /// W₁, b₁, W₂, b₂.
    pub fn parameters(&self) -> [&[f64]; 4] {
        [&self.first.weight, &self.first.bias, &self.second.weight, &self.second.bias]
    }
}

impl Layer {
    fn new(inputs: usize, outputs: usize, generator: &mut Generator) -> Layer {
        let root = (inputs as f64).sqrt();
        let mut drawn = |count| (0..count).map(|_| (generator.draw() / 2_f64.powi(31) - 1.0) / root).collect();
        Layer { inputs, weight: drawn(inputs * outputs), bias: drawn(outputs) }
    }

    /// A layer of the same shape with nothing in it.
    pub fn zeros(&self) -> Layer {
        Layer { inputs: self.inputs, weight: vec![0.0; self.weight.len()], bias: vec![0.0; self.bias.len()] }
    }

    /// bias + weight · values, each sum beginning with the bias and going through the inputs in order.
    pub fn forward(&self, values: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.inputs);
        rows.zip(&self.bias)
            .map(|(weights, bias)| weights.iter().zip(values).fold(*bias, |sum, (weight, value)| sum + weight * value))
            .collect()
    }

    /// Adds to the gradient of this layer what a row's inputs and the gradient of its outputs give, and returns that of the inputs.
    pub fn backward(&self, gradient: &mut Layer, values: &[f64], above: &[f64]) -> Vec<f64> {
        let mut below = vec![0.0; self.inputs];
        let rows = self.weight.chunks_exact(self.inputs).zip(gradient.weight.chunks_exact_mut(self.inputs));
        for (out, (weights, sums)) in rows.enumerate() {
            gradient.bias[out] += above[out];
            for input in 0..self.inputs {
                sums[input] += above[out] * values[input];
                below[input] += above[out] * weights[input];
            }
        }
        below
    }

    /// parameter −= rate · gradient.
    pub fn descend(&mut self, gradient: &Layer, rate: f64) {
        let all = self.weight.iter_mut().zip(&gradient.weight).chain(self.bias.iter_mut().zip(&gradient.bias));
        all.for_each(|(parameter, gradient)| *parameter -= rate * gradient);
    }
}

/// max(value, 0) of each.
pub fn relu(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|value| value.max(0.0)).collect()
}
