package jwks

// UnknownKids is how many kids r remembers that its issuer does not publish.
func (r *Remote) UnknownKids() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.unknown)
}
