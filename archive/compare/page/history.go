package page

import "github.com/benchkeep/benchkeep/archive/compare"

// A historyView is what history.html shows.
type historyView struct {
	frame
	*compare.History
	Common       []labelValues // in Base
	ChangePoints int
}

// historyData is what history.js makes its charts of.
type historyData struct {
	Runs  []compare.Run `json:"runs"`
	Signs []sign        `json:"signs"`
	Lines []line        `json:"lines"`
	// Varying are the labels that not all runs have the same value of.
	Varying []string `json:"varying"`
}

// A line is a line with its values rounded.
type line struct {
	*compare.Line
	Title  string `json:"title"`
	Values values `json:"values"`
}

func newHistoryView(h *compare.History) (*historyView, error) {
	view := &historyView{History: h}
	data := historyData{Runs: h.Runs, Signs: signs, Lines: make([]line, 0, len(h.Lines))}
	for _, of := range h.Lines {
		view.ChangePoints += len(of.ChangePoints)
		data.Lines = append(data.Lines, line{of, of.Title(), values(of.Values)})
	}
	for _, name := range labelNames(h.Runs) {
		if v := valuesOf(name, h.Runs); len(v) == 1 {
			view.Common = append(view.Common, labelValues{Name: name, Base: v})
		} else {
			data.Varying = append(data.Varying, name)
		}
	}
	var err error
	view.frame, err = newFrame("History of "+h.Asked, "history.js", data)
	return view, err
}
