// Package inspect shows people what package certinfo says of a file of certificates,
// and asks the code of the server whether it would accept it with a given trust
// bundle and registration. It prints no private key and changes nothing.
package inspect
