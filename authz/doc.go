// Package authz is the authorization server: it wires the endpoints to storage,
// keys and trust bundles. Each endpoint lives in a package of its own; this one
// only joins them, adapts storage to what package keys asks for, and puts
// routing, limits and the common answers around them.
package authz
