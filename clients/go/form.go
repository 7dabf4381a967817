package gradwire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Form is how requests and replies are written.
type Form int

const (
	Binary Form = iota // safetensors: numbers as they lie in memory
	JSON
)

const (
	jsonType    = "application/json"
	binaryType  = "application/vnd.safetensors"
	problemType = "application/problem+json"
)

const lengthBytes = 8 // of the length before a safetensors header; its tensors begin at a multiple of this

// mediaType names the form on the wire.
func (form Form) mediaType() string {
	if form == JSON {
		return jsonType
	}
	return binaryType
}

// encoded is the job in this form, or as JSON where this form cannot hold it, so that the service can say what is wrong with it.
func encoded[T Float](job *Job[T], form Form) ([]byte, Form, error) {
	for name, value := range job.Params {
		if _, isNumber := value.(float64); isNumber {
			continue // NaN too: the service refuses it by name
		}
		if _, err := json.Marshal(value); err != nil {
			return nil, form, fmt.Errorf("gradwire: the parameter %q cannot be sent: %w", name, err)
		}
	}
	if form == Binary {
		if body, isHeld := binaryBody(job); isHeld {
			return body, Binary, nil
		}
	}
	return jsonBody(job), JSON, nil
}

func jsonBody[T Float](job *Job[T]) []byte {
	fields := job.fields()
	if job.Dtype == "" && job.precision() == "float64" {
		fields = append(fields, field{"dtype", text("float64"), true})
	}
	out := []byte{'{'}
	for n, each := range fields {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(text(each.name).appendJSON(out), ':')
		out = each.value.appendJSON(out)
	}
	return append(out, '}')
}

// binaryBody is a length, a header in JSON and the bytes of the tensors; false where tensors cannot hold the job.
func binaryBody[T Float](job *Job[T]) ([]byte, bool) {
	if !areWeightsNestedLikeLabels(job) {
		return nil, false
	}
	metadata := map[string]string{}
	header := map[string]any{"__metadata__": metadata}
	var data []byte
	for _, each := range withOffsets(job) {
		array, isTensor := each.value.(tensor)
		if !isTensor {
			metadata[each.name] = option(each.value)
			continue
		}
		shape, isEven := array.shape()
		if _, isTwice := header[each.name]; isTwice || !isEven {
			return nil, false
		}
		begin := len(data)
		data = array.appendBytes(data)
		header[each.name] = tensorHeader{array.dtype(), shape, []int{begin, len(data)}}
	}
	return append(headed(header), data...), true
}

// option is a value as metadata has it: a text as it stands, anything else as JSON.
func option(value Value) string {
	if value, isText := value.(text); isText {
		return string(value)
	}
	return string(value.appendJSON(nil))
}

// headed is the header with its length before it, filled with spaces.
func headed(header map[string]any) []byte {
	written, _ := json.Marshal(header) // strings and integers, which can always be written
	for len(written)%lengthBytes != 0 {
		written = append(written, ' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(written))), written...)
}

// withOffsets are the fields with lists of labels as indices one after another, and offsets into them. Those come first, and a mask
// last, so that every number lies at a multiple of its size.
func withOffsets[T Float](job *Job[T]) []field {
	var first, then, last []field
	for _, each := range job.fields() {
		switch value := each.value.(type) {
		case Matrix[int]:
			indices, offsets := flat(value)
			first = append(first, field{"labels", indices, true}, field{"label_offsets", offsets, true})
		case Vector[int]:
			first = append(first, each)
		case Matrix[bool]:
			last = append(last, each)
		default:
			if weights, isMatrix := value.(Matrix[T]); isMatrix && each.name == "label_weights" {
				each.value, _ = flat(weights)
			}
			then = append(then, each)
		}
	}
	return append(append(first, then...), last...)
}

// flat has the rows one after another, and where each begins, with the end of the last.
func flat[V element](rows [][]V) (values Vector[V], offsets Vector[int]) {
	values, offsets = Vector[V]{}, Vector[int]{0}
	for _, row := range rows {
		values = append(values, row...)
		offsets = append(offsets, len(values))
	}
	return values, offsets
}

// areWeightsNestedLikeLabels is asked because flat tensors could not show it, and would pair weights with the wrong labels.
func areWeightsNestedLikeLabels[T Float](job *Job[T]) bool {
	if (job.SingleLabelWeights != nil && job.SingleLabels == nil) || (job.LabelWeights != nil && len(job.LabelWeights) != len(job.Labels)) {
		return false
	}
	for n, weights := range job.LabelWeights {
		if len(weights) != len(job.Labels[n]) {
			return false
		}
	}
	return true
}
