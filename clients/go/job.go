package gradwire

// Float is the precision of a job: its scores, its weights and its reply.
type Float interface{ float32 | float64 }

// Job is one batch, and what is asked of it. N is the number of rows, C that of classes. A field that is nil or empty is not sent, and
// the service has a default for it; nothing is checked here, for the service says best what is wrong.
type Job[T Float] struct {
	Loss   string         // a name or alias of the catalogue; by default softmax_cross_entropy
	Params map[string]any // the loss's own parameters, such as {"gamma": 1.5}

	Scores [][]T // [N][C] raw scores; -Inf masks a class, in the binary form

	// The labels are one of these three.
	Targets      [][]T   // [N][C], dense
	Labels       [][]int // [N] lists of class indices; a row without labels is an empty list
	SingleLabels []int   // [N] one class index a row, whose mean is the one of PyTorch's CrossEntropyLoss

	LabelWeights       [][]T // a number for each index of Labels, by default 1
	SingleLabelWeights []T   // [N] a number for each of SingleLabels, by default 1

	ClassWeight   []T      // [C]
	PosWeight     Value    // a Number or a Vector [C]
	SampleWeight  []T      // [N]
	ElementWeight [][]T    // [N][C]
	Mask          [][]bool // [N][C]; false: this label is unknown
	IgnoreIndex   *int     // rows of Labels that hold just this value are left out; see Ptr

	Reduction  string // "mean" (the default), "sum" or "none"
	MeanOver   string // "rows", "elements", "weights", "valid" or "positives"
	GradOutput Value  // a Number or, with the reduction "none", a Vector [N] or a Matrix [N][C]
	Dtype      string // "float32" or "float64", where that is not the precision of T
	Runtime    string // "pytorch" or "onnx"
}

// Ptr is a pointer to a value: Job{IgnoreIndex: gradwire.Ptr(-100)}.
func Ptr[V any](value V) *V { return &value }

// fields are those that are to be sent, in the order of the contract.
func (job *Job[T]) fields() []field {
	all := []field{
		{"loss", text(job.Loss), job.Loss != ""},
		{"params", object(job.Params), job.Params != nil},
		{"scores", Matrix[T](job.Scores), job.Scores != nil},
		{"targets", Matrix[T](job.Targets), job.Targets != nil},
		{"labels", Matrix[int](job.Labels), job.Labels != nil},
		{"labels", Vector[int](job.SingleLabels), job.SingleLabels != nil},
		{"label_weights", Matrix[T](job.LabelWeights), job.LabelWeights != nil},
		{"label_weights", Vector[T](job.SingleLabelWeights), job.SingleLabelWeights != nil},
		{"class_weight", Vector[T](job.ClassWeight), job.ClassWeight != nil},
		{"pos_weight", job.PosWeight, job.PosWeight != nil},
		{"sample_weight", Vector[T](job.SampleWeight), job.SampleWeight != nil},
		{"element_weight", Matrix[T](job.ElementWeight), job.ElementWeight != nil},
		{"mask", Matrix[bool](job.Mask), job.Mask != nil},
		{"reduction", text(job.Reduction), job.Reduction != ""},
		{"mean_over", text(job.MeanOver), job.MeanOver != ""},
		{"grad_output", job.GradOutput, job.GradOutput != nil},
		{"dtype", text(job.Dtype), job.Dtype != ""},
		{"runtime", text(job.Runtime), job.Runtime != ""},
	}
	if job.IgnoreIndex != nil {
		all = append(all, field{"ignore_index", integer(*job.IgnoreIndex), true})
	}
	return present(all)
}

// precision is that of the reply.
func (job *Job[T]) precision() string {
	if job.Dtype != "" {
		return job.Dtype
	}
	if dtype[T]() == "F64" {
		return "float64"
	}
	return "float32"
}

// shape is [N, C], as far as the rows are alike.
func (job *Job[T]) shape() []int {
	shape, _ := Matrix[T](job.Scores).shape()
	return shape
}

func present(all []field) []field {
	var sent []field
	for _, each := range all {
		if each.isSent {
			sent = append(sent, each)
		}
	}
	return sent
}
