// Package gradwire asks a gradwire service for multi-label losses and their exact gradients.
//
//	client, err := gradwire.New("http://127.0.0.1:8000")
//	reply, err := gradwire.Grad(ctx, client, gradwire.Job[float32]{
//		Scores: [][]float32{{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}},
//		Labels: [][]int{{0}, {1, 2}},
//	})
//	// reply.Loss is the mean over the rows, reply.Grad is d(loss)/d(scores).
//
// A Client keeps its connections and may be used by any number of goroutines at once. Every call ends when its context does, or when
// the client's timeout has passed, retries and the waits between them included.
//
// What can be wrong is one of four types, each of which is an Error:
//
//	*Refused      the service answered with a problem: what was found, where, and what would do
//	*Unreachable  there is no connection, or it broke
//	*TimedOut     the timeout or the context's deadline passed
//	*BadReply     what answered is not gradwire, or its reply is cut, malformed, or of another shape
//
// A call whose context was cancelled gives an error that is context.Canceled.
package gradwire
