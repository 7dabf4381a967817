package gradwire

import (
	"encoding/json"
	"fmt"
	"strconv"
)

const mostDimensions = 2 // of a loss and of a gradient

// jsonArrays are loss and grad as JSON has them, as far as they are there, rounded to their precision.
func jsonArrays[T Float](body []byte, precision string) (map[string]array[T], error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("something else (%w)", err)
	}
	arrays := map[string]array[T]{}
	for _, name := range []string{"loss", "grad"} {
		if member, isThere := members[name]; isThere {
			numbers := numbers[T]{text: member, bits: bitsOf(precision)}
			shape, err := numbers.read(0)
			if err != nil {
				return nil, fmt.Errorf("%s with %w", name, err)
			}
			arrays[name] = array[T]{shape, numbers.values}
		}
	}
	return arrays, nil
}

// numbers reads a number, or lists of them, from a text that is known to be JSON.
type numbers[T Float] struct {
	text   []byte
	bits   int // of the precision
	at     int
	values []T
}

// read takes a number or a list, depth lists deep, and gives its shape.
func (numbers *numbers[T]) read(depth int) ([]int, error) {
	switch letter := numbers.next(); {
	case letter == '[' && depth < mostDimensions:
		return numbers.readList(depth)
	case letter == '[':
		return nil, fmt.Errorf("lists more than %d deep", mostDimensions)
	case letter == '-' || isDigit(letter):
		return nil, numbers.readNumber()
	default:
		return nil, fmt.Errorf("something that is no number at letter %d", numbers.at)
	}
}

func (numbers *numbers[T]) readList(depth int) (shape []int, _ error) {
	count := 0
	for numbers.at++; numbers.next() != ']'; count++ {
		if count > 0 {
			numbers.at++ // the comma
		}
		inner, err := numbers.read(depth + 1)
		if err != nil {
			return nil, err
		}
		if count > 0 && !isSame(inner, shape) {
			return nil, fmt.Errorf("uneven lists: %v in row %d, %v before", inner, count, shape)
		}
		shape = inner
	}
	numbers.at++
	return append([]int{count}, shape...), nil
}

func (numbers *numbers[T]) readNumber() error {
	begin := numbers.at
	for numbers.at < len(numbers.text) && isOfNumber(numbers.text[numbers.at]) {
		numbers.at++
	}
	value, err := strconv.ParseFloat(string(numbers.text[begin:numbers.at]), numbers.bits)
	if err != nil {
		return fmt.Errorf("a number that its precision cannot hold (%w)", err)
	}
	rounded, err := rounded[T](value)
	numbers.values = append(numbers.values, rounded)
	return err
}

// next is the next letter that is no space.
func (numbers *numbers[T]) next() byte {
	for numbers.text[numbers.at] <= ' ' {
		numbers.at++
	}
	return numbers.text[numbers.at]
}

func isDigit(letter byte) bool { return '0' <= letter && letter <= '9' }

func isOfNumber(letter byte) bool {
	return isDigit(letter) || letter == '-' || letter == '+' || letter == '.' || letter == 'e' || letter == 'E'
}

func isSame(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if a[n] != b[n] {
			return false
		}
	}
	return true
}

func bitsOf(precision string) int {
	if precision == "float64" {
		return 64
	}
	return 32
}
