package gradwire_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gradwire"
)

// goldenCase is a line of cases.json.
type goldenCase struct {
	Name   string
	Path   string
	Job    json.RawMessage
	Status int
}

func TestGoldenCasesInBothForms(t *testing.T) {
	var cases []goldenCase
	unmarshal(t, golden(t, "cases.json"), &cases)
	for _, each := range cases {
		for _, form := range []gradwire.Form{gradwire.Binary, gradwire.JSON} {
			each, form := each, form
			t.Run(fmt.Sprintf("%s/%s", each.Name, [...]string{"binary", "json"}[form]), func(t *testing.T) {
				var about struct{ Dtype string }
				unmarshal(t, each.Job, &about)
				if about.Dtype == "float64" {
					tryCase[float64](t, each, form, 1e-10)
				} else {
					tryCase[float32](t, each, form, 1e-5)
				}
			})
		}
	}
}

// tryCase sends a case to the server that compares it with the golden request, and to the live service.
func tryCase[T gradwire.Float](t *testing.T, each goldenCase, form gradwire.Form, tolerance float64) {
	job := jobOf[T](t, each.Job)
	ask := gradwire.Grad[T]
	if each.Path == "/loss" {
		ask = gradwire.Loss[T]
	}
	for _, address := range []string{env(t, "GRADWIRE_FAULTS_URL") + "/golden/" + each.Name, env(t, "GRADWIRE_URL")} {
		reply, err := ask(context.Background(), newClient(t, address, gradwire.WithForm(form)), job)
		if each.Status != 200 {
			sameProblem(t, err, golden(t, each.Name+".problem.json"))
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		var expected struct{ Loss, Grad any }
		unmarshal(t, golden(t, each.Name+".reply.json"), &expected)
		same(t, lossOf(reply), expected.Loss, tolerance)
		same(t, reply.Grad, expected.Grad, tolerance)
		if reply.RequestID == "" {
			t.Error("the reply has no request id")
		}
	}
}

// lossOf is the one of three fields that is set.
func lossOf[T gradwire.Float](reply *gradwire.Reply[T]) any {
	switch {
	case reply.RowLosses != nil:
		return reply.RowLosses
	case reply.ElementLosses != nil:
		return reply.ElementLosses
	}
	return reply.Loss
}

// same compares numbers, or lists of them, as JSON has them.
func same(t *testing.T, found, expected any, tolerance float64) {
	t.Helper()
	written, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	unmarshal(t, written, &plain)
	samePlain(t, plain, expected, tolerance)
}

func samePlain(t *testing.T, found, expected any, tolerance float64) {
	t.Helper()
	if expected, isNumber := expected.(float64); isNumber {
		found, isNumber := found.(float64)
		if !isNumber || math.Abs(found-expected) > tolerance*math.Max(1, math.Abs(expected)) {
			t.Errorf("found %v, expected %v", found, expected)
		}
		return
	}
	one, _ := found.([]any)
	other, _ := expected.([]any)
	if len(one) != len(other) {
		t.Fatalf("found %v, expected %v", found, expected)
	}
	for n := range other {
		samePlain(t, one[n], other[n], tolerance)
	}
}

func sameProblem(t *testing.T, err error, problem []byte) {
	t.Helper()
	var expected struct {
		Status int
		Title  string
		Detail string
		Errors []gradwire.FieldError
	}
	unmarshal(t, problem, &expected)
	refused := errorAs[*gradwire.Refused](t, err)
	if refused.Status != expected.Status || refused.Title != expected.Title || refused.Detail != expected.Detail {
		t.Errorf("found %+v, expected %+v", refused, expected)
	}
	if fmt.Sprint(refused.Errors) != fmt.Sprint(expected.Errors) || refused.RequestID == "" {
		t.Errorf("found %+v, expected %+v", refused, expected)
	}
}

// jobOf is a job from what JSON has; the precision is said by T.
func jobOf[T gradwire.Float](t *testing.T, text []byte) gradwire.Job[T] {
	var job gradwire.Job[T]
	var fields map[string]json.RawMessage
	unmarshal(t, text, &fields)
	plain := map[string]any{
		"loss": &job.Loss, "params": &job.Params, "scores": &job.Scores, "targets": &job.Targets, "label_weights": &job.LabelWeights,
		"class_weight": &job.ClassWeight, "sample_weight": &job.SampleWeight, "element_weight": &job.ElementWeight,
		"ignore_index": &job.IgnoreIndex, "reduction": &job.Reduction, "mean_over": &job.MeanOver, "runtime": &job.Runtime,
	}
	for name, value := range fields {
		switch field, isPlain := plain[name]; {
		case isPlain:
			unmarshal(t, value, field)
		case name == "labels":
			if json.Unmarshal(value, &job.Labels) != nil {
				job.Labels = nil
				unmarshal(t, value, &job.SingleLabels)
			}
		case name == "pos_weight":
			job.PosWeight = valueOf[T](t, value)
		case name == "grad_output":
			job.GradOutput = valueOf[T](t, value)
		case name == "mask":
			job.Mask = maskOf(t, value)
		case name != "dtype":
			t.Fatalf("the field %q is in no job", name)
		}
	}
	return job
}

func valueOf[T gradwire.Float](t *testing.T, text []byte) gradwire.Value {
	var number float64
	if json.Unmarshal(text, &number) == nil {
		return gradwire.Number(number)
	}
	var vector []T
	if json.Unmarshal(text, &vector) == nil {
		return gradwire.Vector[T](vector)
	}
	var matrix [][]T
	unmarshal(t, text, &matrix)
	return gradwire.Matrix[T](matrix)
}

func maskOf(t *testing.T, text []byte) [][]bool {
	var plain [][]any
	unmarshal(t, text, &plain)
	mask := make([][]bool, len(plain))
	for n, row := range plain {
		for _, value := range row {
			mask[n] = append(mask[n], value == true || value == 1.0)
		}
	}
	return mask
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(env(t, "GRADWIRE_GOLDEN"), name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
