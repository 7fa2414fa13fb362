// Package oauth is the vocabulary the authorization server's endpoints share:
// parameter names, the form rules of RFC 6749 §3.2, the scope grammar of §3.3,
// and the [Error] value with its one writer (§5.2).
//
// It decides nothing about clients and knows neither storage nor keys.
package oauth
