package gradwire

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"strings"
)

// Reply is the loss of a job and, from Grad, its gradient.
type Reply[T Float] struct {
	Loss          T     // in nats where it is a cross-entropy; 0 where one of the next two is set
	RowLosses     []T   // [N], from the reduction "none" of a loss with a number a row
	ElementLosses [][]T // [N][C], from the reduction "none" of a loss with a number an element
	Grad          [][]T // [N][C] d(loss)/d(scores); nil from Loss
	RequestID     string
}

// array is a loss or a gradient as it came.
type array[T Float] struct {
	shape  []int
	values []T
}

// Loss sends a job to POST /loss. The error is an Error, or context.Canceled, or says which parameter cannot be sent.
func Loss[T Float](ctx context.Context, client *Client, job Job[T]) (*Reply[T], error) {
	return ask(ctx, client, &job, "/loss")
}

// Grad sends a job to POST /grad. The error is an Error, or context.Canceled, or says which parameter cannot be sent.
func Grad[T Float](ctx context.Context, client *Client, job Job[T]) (*Reply[T], error) {
	return ask(ctx, client, &job, "/grad")
}

func ask[T Float](ctx context.Context, client *Client, job *Job[T], path string) (*Reply[T], error) {
	body, form, err := encoded(job, client.form)
	if err != nil {
		return nil, err
	}
	answer, err := client.send(ctx, call{path, body, form})
	if err != nil {
		return nil, err
	}
	if answer.status != http.StatusOK {
		return nil, answer.refusal()
	}
	return decoded(answer, job, path, form)
}

// decoded is a reply that has been checked against its request.
func decoded[T Float](answer *answer, job *Job[T], path string, form Form) (*Reply[T], error) {
	if found := answer.mediaType(); found != form.mediaType() {
		return nil, answer.bad(form.mediaType(), answer.described())
	}
	if found := answer.header.Get("Content-Encoding"); found != "" && found != "identity" {
		return nil, answer.bad("a reply that is not compressed", "one in "+found)
	}
	read := jsonArrays[T]
	if form == Binary {
		read = binaryArrays[T]
	}
	arrays, err := read(answer.body, job.precision())
	if err != nil {
		return nil, answer.bad("a reply of gradwire in "+form.mediaType(), err.Error())
	}
	reply := &Reply[T]{RequestID: requestID(answer.header)}
	if err := reply.take(arrays, job, path == "/grad"); err != nil {
		return nil, answer.bad(err.expected, err.found)
	}
	return reply, nil
}

// mismatch is what a reply has and what it should have.
type mismatch struct{ expected, found string }

// take sets loss and gradient, if their shapes are those of the job.
func (reply *Reply[T]) take(arrays map[string]array[T], job *Job[T], hasGrad bool) *mismatch {
	shape := job.shape()
	loss, isThere := arrays["loss"]
	switch {
	case !isThere:
		return &mismatch{"a reply with loss", "one without"}
	case len(loss.shape) == 0:
		reply.Loss = loss.values[0]
	case job.Reduction == "none" && reflect.DeepEqual(loss.shape, shape[:1]):
		reply.RowLosses = loss.values
	case job.Reduction == "none" && reflect.DeepEqual(loss.shape, shape):
		reply.ElementLosses = rows(loss)
	default:
		return &mismatch{"a loss that is " + lossShapes(job), fmt.Sprintf("one of shape %v", loss.shape)}
	}
	if !hasGrad {
		return nil
	}
	grad, isThere := arrays["grad"]
	if !isThere {
		return &mismatch{"a reply with grad", "one without"}
	}
	if !reflect.DeepEqual(grad.shape, shape) {
		return &mismatch{fmt.Sprintf("grad of shape %v", shape), fmt.Sprintf("%v", grad.shape)}
	}
	reply.Grad = rows(grad)
	return nil
}

func lossShapes[T Float](job *Job[T]) string {
	if job.Reduction != "none" {
		return "one number"
	}
	return fmt.Sprintf("one number, or of shape %v or %v", job.shape()[:1], job.shape())
}

// rows are views of a matrix.
func rows[T Float](matrix array[T]) [][]T {
	columns := matrix.shape[1]
	rows := make([][]T, matrix.shape[0])
	for n := range rows {
		rows[n] = matrix.values[n*columns : (n+1)*columns : (n+1)*columns]
	}
	return rows
}

// refusal is the problem that an answer is, or says that it is none.
func (answer *answer) refusal() error {
	var problem struct {
		Title  string       `json:"title"`
		Detail string       `json:"detail"`
		Errors []FieldError `json:"errors"`
	}
	if answer.status < 400 || answer.mediaType() != problemType || json.Unmarshal(answer.body, &problem) != nil {
		return answer.bad("a reply of gradwire", answer.described())
	}
	after, _ := retryAfter(answer.header)
	return &Refused{answer.status, problem.Title, problem.Detail, problem.Errors, after, requestID(answer.header)}
}

func (answer *answer) bad(expected, found string) error {
	return &BadReply{answer.url, answer.status, found, expected, requestID(answer.header)}
}

// described is the answer in short: its status, type and beginning.
func (answer *answer) described() string {
	const mostLetters = 80
	beginning := strings.Join(strings.Fields(strings.ToValidUTF8(string(answer.body[:min(len(answer.body), mostLetters)]), "?")), " ")
	if location := answer.header.Get("Location"); location != "" {
		return fmt.Sprintf("status %d, a redirect to %q", answer.status, location)
	}
	return fmt.Sprintf("status %d with %q: %q", answer.status, answer.header.Get("Content-Type"), beginning)
}

func (answer *answer) mediaType() string {
	name, _, _ := mime.ParseMediaType(answer.header.Get("Content-Type"))
	return name
}

func requestID(header http.Header) string { return header.Get("X-Request-ID") }

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
