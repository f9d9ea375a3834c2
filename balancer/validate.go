package balancer

import (
	"errors"
	"fmt"
	"math"
)

// Validation of policies written as Go values. Those read from JSON are checked by their parsers,
// with the path of the key.

var _ = []Validator{
	RoundRobin{}, LeastRequest{}, WeightedRoundRobin{}, RingHash{}, RandomSubsetting{}, OutlierDetection{},
}

// Validate implements Validator.
func (p RoundRobin) Validate() error { return named(p, p.SlowStart.Validate()) }

// Validate implements Validator.
func (p LeastRequest) Validate() error {
	if p.Choices == 1 || p.Choices < 0 {
		return named(p, fmt.Errorf("field Choices is %d, want 2 to %d", p.Choices, maxChoices))
	}
	return named(p, p.SlowStart.Validate())
}

// Validate implements Validator.
func (p WeightedRoundRobin) Validate() error {
	if p.ReportingPeriod < 0 || p.Expiration < 0 || p.UpdatePeriod < 0 {
		return named(p, fmt.Errorf("a period is negative: ReportingPeriod %v, Expiration %v, UpdatePeriod %v",
			p.ReportingPeriod, p.Expiration, p.UpdatePeriod))
	}
	if !finite(p.ErrorPenalty) {
		return named(p, fmt.Errorf("field ErrorPenalty is %v, want a finite number", p.ErrorPenalty))
	}
	return named(p, p.SlowStart.Validate())
}

// Validate implements Validator.
func (p RingHash) Validate() error {
	if p.Header != "" {
		if fault := validHeader(p.Header); fault != "" {
			return named(p, fmt.Errorf("field Header %q %s", p.Header, fault))
		}
	}
	if p.MinSize < 0 || p.MaxSize < 0 || p.MaxSize > 0 && p.MinSize > p.MaxSize {
		return named(p, fmt.Errorf("sizes: MinSize %d and MaxSize %d: want 0 for the defaults, or positive numbers in order", p.MinSize, p.MaxSize))
	}
	return nil
}

// Validate implements Validator.
func (p RandomSubsetting) Validate() error {
	var err error
	if p.Size <= 0 {
		err = fmt.Errorf("field Size %d is not above 0", p.Size)
	}
	return named(p, errors.Join(err, validChild(p.Child)))
}

// Validate implements Validator.
func (p OutlierDetection) Validate() error {
	var errs []error
	if p.Interval < 0 || p.BaseEjection < 0 || p.MaxEjection < 0 {
		errs = append(errs, fmt.Errorf("a time is negative: Interval %v, BaseEjection %v, MaxEjection %v", p.Interval, p.BaseEjection, p.MaxEjection))
	}
	if p.MaxPercent > 100 {
		errs = append(errs, fmt.Errorf("field MaxPercent %d is more than 100", p.MaxPercent))
	}
	if s := p.SuccessRate; s != nil && !(s.StdevFactor >= 0 && finite(s.StdevFactor)) {
		errs = append(errs, fmt.Errorf("field SuccessRate.StdevFactor %v is not a number from 0 up", s.StdevFactor))
	}
	if f := p.FailurePercentage; f != nil && !(f.Threshold >= 0 && f.Threshold <= 100) {
		errs = append(errs, fmt.Errorf("field FailurePercentage.Threshold %v is not from 0 to 100", f.Threshold))
	}
	if l := p.Latency; l != nil && l.Factor != 0 && !(l.Factor > 1 && finite(l.Factor)) {
		errs = append(errs, fmt.Errorf("field Latency.Factor %v is not a number above 1", l.Factor))
	}
	return named(p, errors.Join(append(errs, validChild(p.Child))...))
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func validChild(p Policy) error {
	if v, ok := p.(Validator); ok {
		return v.Validate()
	}
	return nil
}

// named puts the policy's name before an error.
func named(p Policy, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.Name(), err)
}
