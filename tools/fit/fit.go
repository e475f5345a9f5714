package main

import (
	"math"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// leastPoints is how many bootstraps a fit wants: five coefficients are looked
// for, and each is to rest on two boards.
const leastPoints = 10

// worthwhile is by how much an additional coefficient has to lessen the error to
// be believed. Without it a fit would explain noise by handshakes.
const worthwhile = 0.9

// whats are what is predicted.
func whats() []string { return append(plan.Components(), plan.Bootstrap) }

// fitModel tries mixes of work, and for each fits the line through the
// logarithms of slowdown and time. The mix is that with the least error in the
// API server's start; one with more coefficients has to be clearly better.
func fitModel(points []point) plan.Model {
	best, least := plan.Model{}, math.Inf(1)
	for _, shape := range shapes() {
		inShape, e := plan.Model{}, math.Inf(1)
		for _, mix := range shape {
			if _, wrong := fitStart(mix, plan.APIServer, points); wrong < e {
				inShape, e = mix, wrong
			}
		}
		if math.IsInf(least, 1) || e < worthwhile*least {
			best, least = inShape, e
		}
	}
	best.Starts = map[string]plan.Start{}
	for _, what := range whats() {
		best.Starts[what], _ = fitStart(best, what, points)
	}
	return best
}

// shapes are all mixes, by which coefficients they have, the simplest first:
// none, parallel work, handshakes, both.
func shapes() [][]plan.Model {
	all := make([][]plan.Model, 4)
	for h := range 11 {
		for p := range 10 {
			shape := 0
			if p > 0 {
				shape++
			}
			if h > 0 {
				shape += 2
			}
			all[shape] = append(all[shape], plan.Model{Handshakes: round(0.1 * float64(h)),
				Parallel: round(0.1 * float64(p))})
		}
	}
	return all
}

// fitStart returns the coefficients for one component and the sum of the squares
// of the logarithms of predicted by measured. Fixed time and writes are believed
// where they make the sum clearly less.
func fitStart(mix plan.Model, what string, points []point) (plan.Start, float64) {
	best, least := plan.Start{}, math.Inf(1)
	for _, shape := range []struct{ fixed, writes []float64 }{
		{[]float64{0}, []float64{0}}, {steps(0.5, 8), []float64{0}}, {[]float64{0}, steps(40, 600)}, {steps(0.5, 8),
			steps(40, 600)},
	} {
		inShape, e := plan.Start{}, math.Inf(1)
		for _, fixed := range shape.fixed {
			for _, writes := range shape.writes {
				start, ok := line(mix, what, points, fixed, writes)
				if !ok {
					break // more of it fails, too
				}
				if wrong := wrong(mix, what, start, points); wrong < e {
					inShape, e = start, wrong
				}
			}
		}
		if math.IsInf(least, 1) || e < worthwhile*least {
			best, least = inShape, e
		}
	}
	return best, least
}

// steps are the multiples of step up to most.
func steps(step, most float64) []float64 {
	var all []float64
	for n := 1; float64(n)*step <= most; n++ {
		all = append(all, float64(n)*step)
	}
	return all
}

// line is the straight line through the logarithms, by least squares, of what is
// left without the fixed time and the writes. It fails where they would explain
// nearly all.
func line(mix plan.Model, what string, points []point, fixed, writes float64) (plan.Start, bool) {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		t, ok := p.seconds[what]
		if !ok || t <= 0 {
			continue
		}
		rest := t - fixed - writes*p.speed.Fsync
		if rest < t/10 {
			return plan.Start{}, false
		}
		// An error of a few percent of the whole is a greater part of the rest.
		weight := (rest / t) * (rest / t)
		x, y := math.Log(mix.Slowdown(p.speed)), math.Log(rest)
		n, sx, sy, sxx, sxy = n+weight, sx+weight*x, sy+weight*y, sxx+weight*x*x, sxy+weight*x*y
	}
	if n == 0 || n*sxx-sx*sx <= 0 {
		return plan.Start{}, false
	}
	power := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return plan.Start{Fixed: fixed, Seconds: round(math.Exp((sy - power*sx) / n)), Power: round(power),
		Writes: writes}, true
}

func wrong(mix plan.Model, what string, start plan.Start, points []point) float64 {
	mix.Starts = map[string]plan.Start{what: start}
	sum := 0.0
	for _, p := range points {
		if t := p.seconds[what]; t > 0 {
			e := math.Log(mix.Predict(what, p.speed) / t)
			sum += e * e
		}
	}
	return sum
}

// round keeps three digits: more would be noise, and differ between machines.
func round(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// leaveOneOut predicts each point by a model fitted to all the others.
func leaveOneOut(points []point) []plan.Model {
	models := make([]plan.Model, len(points))
	for i := range points {
		others := append(append([]point{}, points[:i]...), points[i+1:]...)
		models[i] = fitModel(others)
	}
	return models
}

// within counts the points that their model predicts within a factor.
func within(factor float64, what string, points []point, models []plan.Model) (good, all int) {
	for i, p := range points {
		t := p.seconds[what]
		if t <= 0 {
			continue
		}
		all++
		if f := models[i].Predict(what, p.speed) / t; f <= factor && f >= 1/factor {
			good++
		}
	}
	return good, all
}
