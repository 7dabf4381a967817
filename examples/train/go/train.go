package main

// row is a sample: its features, and the indices of its labels.
type row struct {
	features []float64
	labels   []int
}

// result is what a training has to say beside its weights.
type result struct {
	requests int
	loss     float64 // of the last epoch: the rows' mean of the losses of its batches
}

func train(net *network, rows []row, options options, draw func() float64, ask asker) (result, error) {
	var told result
	for epoch := 0; epoch < options.epochs; epoch++ {
		shuffle(rows, draw)
		total := 0.0
		for begin := 0; begin < len(rows); begin += options.batch {
			batch := rows[begin:min(begin+options.batch, len(rows))]
			loss, err := net.step(batch, options.rate, ask)
			if err != nil {
				return told, err
			}
			told.requests++
			total += loss * float64(len(batch))
		}
		told.loss = total / float64(len(rows))
	}
	return told, nil
}

// shuffle goes from the last row down; each changes places with one that is not behind it.
func shuffle(rows []row, draw func() float64) {
	for i := len(rows) - 1; i > 0; i-- {
		j := int(draw() * float64(i+1) / (1 << 32))
		rows[i], rows[j] = rows[j], rows[i]
	}
}

// step is one step of plain SGD; it returns the loss before it.
func (net *network) step(batch []row, rate float64, ask asker) (float64, error) {
	hidden, scores, labels := make([][]float64, len(batch)), make([][]float64, len(batch)), make([][]int, len(batch))
	for n, row := range batch {
		hidden[n] = relu(net.first.forward(row.features))
		scores[n] = net.second.forward(hidden[n])
		labels[n] = row.labels
	}
	loss, grad, err := ask(scores, labels)
	if err != nil {
		return 0, err
	}
	first, second := net.first.zeros(), net.second.zeros()
	for n, row := range batch {
		below := net.second.backward(&second, hidden[n], grad[n])
		for h := range below {
			if hidden[n][h] <= 0 {
				below[h] = 0
			}
		}
		net.first.backward(&first, row.features, below)
	}
	net.first.descend(&first, rate)
	net.second.descend(&second, rate)
	return loss, nil
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
