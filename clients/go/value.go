package gradwire

import (
	"encoding/json"
	"math"
	"sort"
	"strconv"
)

// Value is one number or an array of them: a Number, a Vector or a Matrix.
type Value interface {
	// appendJSON adds the value as JSON has it; numbers that JSON does not have are bare tokens, which the service refuses by name.
	appendJSON(out []byte) []byte
}

// Number is a single number.
type Number float64

// Vector is an array of one dimension.
type Vector[V element] []V

// Matrix is an array of two dimensions, row by row.
type Matrix[V element] [][]V

type element interface {
	float32 | float64 | int | bool
}

type (
	text    string
	integer int
	object  map[string]any
)

// field is a member of a request.
type field struct {
	name   string
	value  Value
	isSent bool
}

func (value text) appendJSON(out []byte) []byte {
	quoted, _ := json.Marshal(string(value)) // a string can always be written
	return append(out, quoted...)
}

func (value integer) appendJSON(out []byte) []byte { return strconv.AppendInt(out, int64(value), 10) }
func (value Number) appendJSON(out []byte) []byte  { return appendNumber(out, float64(value), 64) }
func (vector Vector[V]) appendJSON(out []byte) []byte {
	return appendRow(out, vector)
}

func (matrix Matrix[V]) appendJSON(out []byte) []byte {
	out = append(out, '[')
	for n, row := range matrix {
		if n > 0 {
			out = append(out, ',')
		}
		out = appendRow(out, row)
	}
	return append(out, ']')
}

func (members object) appendJSON(out []byte) []byte {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	sort.Strings(names)
	out = append(out, '{')
	for n, name := range names {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(text(name).appendJSON(out), ':')
		out = appendAny(out, members[name])
	}
	return append(out, '}')
}

// appendAny adds a parameter, which wrongParams has looked at.
func appendAny(out []byte, value any) []byte {
	switch value := value.(type) {
	case float64:
		return appendNumber(out, value, 64)
	case float32:
		return appendNumber(out, float64(value), 32)
	}
	written, _ := json.Marshal(value)
	return append(out, written...)
}

func appendRow[V element](out []byte, row []V) []byte {
	out = append(out, '[')
	for c, value := range row {
		if c > 0 {
			out = append(out, ',')
		}
		out = appendElement(out, value)
	}
	return append(out, ']')
}

func appendElement[V element](out []byte, value V) []byte {
	switch value := any(value).(type) {
	case float32:
		return appendNumber(out, float64(value), 32)
	case float64:
		return appendNumber(out, value, 64)
	case int:
		return strconv.AppendInt(out, int64(value), 10)
	default:
		return strconv.AppendBool(out, any(value) == true)
	}
}

// appendNumber adds the shortest text that reads back as the same number.
func appendNumber(out []byte, value float64, bits int) []byte {
	switch {
	case math.IsInf(value, 1):
		return append(out, "Infinity"...)
	case math.IsInf(value, -1):
		return append(out, "-Infinity"...)
	}
	return strconv.AppendFloat(out, value, 'g', -1, bits)
}
