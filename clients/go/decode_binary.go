package gradwire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// tensorHeader is what a safetensors header says of a tensor.
type tensorHeader struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets []int  `json:"data_offsets"` // where it begins and ends behind the header
}

// binaryArrays are loss and grad as safetensors has them, as far as they are there; their precision is checked.
func binaryArrays[T Float](body []byte, precision string) (map[string]array[T], error) {
	if len(body) < lengthBytes {
		return nil, fmt.Errorf("%d bytes", len(body))
	}
	length, rest := binary.LittleEndian.Uint64(body), body[lengthBytes:]
	if length > uint64(len(rest)) {
		return nil, fmt.Errorf("a header of %d bytes in a reply of %d", length, len(body))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(rest[:length], &header); err != nil {
		return nil, fmt.Errorf("a header that is no JSON object (%w)", err)
	}
	arrays := map[string]array[T]{}
	for _, name := range []string{"loss", "grad"} {
		if about, isThere := header[name]; isThere {
			array, err := tensorArray[T](about, rest[length:], precision)
			if err != nil {
				return nil, fmt.Errorf("%s %w", name, err)
			}
			arrays[name] = array
		}
	}
	return arrays, nil
}

func tensorArray[T Float](about json.RawMessage, data []byte, precision string) (array[T], error) {
	var header tensorHeader
	if err := json.Unmarshal(about, &header); err != nil {
		return array[T]{}, fmt.Errorf("with a header of its own that is none (%w)", err)
	}
	width := bitsOf(precision) / 8
	expected := fmt.Sprintf("F%d", bitsOf(precision))
	if header.Dtype != expected {
		return array[T]{}, fmt.Errorf("of type %q, not %s", header.Dtype, expected)
	}
	offsets := header.Offsets
	if len(offsets) != 2 || offsets[0] < 0 || offsets[0] > offsets[1] || offsets[1] > len(data) {
		return array[T]{}, fmt.Errorf("at bytes %v of %d", offsets, len(data))
	}
	data = data[offsets[0]:offsets[1]]
	if count, isShape := size(header.Shape, len(data)); !isShape || count*width != len(data) {
		return array[T]{}, fmt.Errorf("of shape %v and type %s in %d bytes", header.Shape, expected, len(data))
	}
	values, err := floats[T](data, width)
	return array[T]{header.Shape, values}, err
}

// size is how many numbers a shape has; false where that is more than most, or where it is no shape.
func size(shape []int, most int) (int, bool) {
	count := 1
	for _, each := range shape {
		if each < 0 || each > most || int64(count)*int64(each) > int64(most) {
			return 0, false
		}
		count *= each
	}
	return count, shape != nil && len(shape) <= mostDimensions
}

// floats are numbers of a width in bytes, rounded to T.
func floats[T Float](data []byte, width int) (values []T, err error) {
	values = make([]T, len(data)/width)
	for n := range values {
		if width == 4 {
			values[n] = T(math.Float32frombits(binary.LittleEndian.Uint32(data[4*n:])))
		} else if values[n], err = rounded[T](math.Float64frombits(binary.LittleEndian.Uint64(data[8*n:]))); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// rounded is a number as a T; an error where a float32 cannot hold it.
func rounded[T Float](value float64) (T, error) {
	rounded := T(value)
	if math.IsInf(float64(rounded), 0) && !math.IsInf(value, 0) {
		return rounded, fmt.Errorf("with %v, which a float32 cannot hold: use a Job[float64]", value)
	}
	return rounded, nil
}
