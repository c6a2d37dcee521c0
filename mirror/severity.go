package mirror

// Severity says how much a condition asks of a person.
type Severity string

const (
	// SeverityInfo: all is well, and there is something to know.
	SeverityInfo Severity = "info"
	// SeverityWarning (yellow): edits arrive, but something is not as somebody meant it.
	SeverityWarning Severity = "warning"
	// SeverityCritical (red): edits do not arrive.
	SeverityCritical Severity = "critical"
)

// severities are those of all conditions that there are.
var severities = map[string]Severity{
	CodeNothingEligible:    SeverityInfo,
	CodePullRequestOpen:    SeverityInfo,
	CodeMainBranchChanged:  SeverityWarning,
	CodeWebhookSilent:      SeverityWarning,
	CodeConfigInvalid:      SeverityWarning,
	CodeConfigNeedsRestart: SeverityWarning,
	CodeStalled:            SeverityCritical,
}

// Severity of a condition; one that nobody declared is a warning.
func (d Detail) Severity() Severity {
	if s, ok := severities[d.Code]; ok {
		return s
	}
	return SeverityWarning
}
