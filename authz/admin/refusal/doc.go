// Package refusal says no for the admin API: why a request is not served, for the
// operator, and the problem details (RFC 9457) that the caller gets. Answers name
// members and parameters and never repeat their values.
package refusal
