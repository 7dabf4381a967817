package gradwire

import (
	"encoding/binary"
	"math"
)

// tensor is a value that the binary form can hold as bytes.
type tensor interface {
	Value
	dtype() string
	shape() (shape []int, isEven bool) // isEven: all rows are as long as the first
	appendBytes(out []byte) []byte     // little-endian, row by row
}

func dtype[V element]() string {
	switch any(*new(V)).(type) {
	case float32:
		return "F32"
	case float64:
		return "F64"
	case int:
		return "I64"
	default:
		return "BOOL"
	}
}

func (vector Vector[V]) dtype() string { return dtype[V]() }
func (matrix Matrix[V]) dtype() string { return dtype[V]() }

func (vector Vector[V]) shape() ([]int, bool) { return []int{len(vector)}, true }

func (matrix Matrix[V]) shape() ([]int, bool) {
	if len(matrix) == 0 {
		return []int{0, 0}, true
	}
	columns := len(matrix[0])
	for _, row := range matrix {
		if len(row) != columns {
			return []int{len(matrix), columns}, false
		}
	}
	return []int{len(matrix), columns}, true
}

func (vector Vector[V]) appendBytes(out []byte) []byte { return appendBytes(out, vector) }

func (matrix Matrix[V]) appendBytes(out []byte) []byte {
	for _, row := range matrix {
		out = appendBytes(out, row)
	}
	return out
}

func appendBytes[V element](out []byte, row []V) []byte {
	switch row := any(row).(type) {
	case []float32:
		for _, value := range row {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
		}
	case []float64:
		for _, value := range row {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(value))
		}
	case []int:
		for _, value := range row {
			out = binary.LittleEndian.AppendUint64(out, uint64(value))
		}
	case []bool:
		for _, value := range row {
			bit := byte(0)
			if value {
				bit = 1
			}
			out = append(out, bit)
		}
	}
	return out
}
