package vectors

import (
	"bytes"
	"encoding/json"
)

// Format is the version of the shape of all files.
const Format = "certbound-vectors-1"

// Files are the published files by name.
func Files() map[string][]byte {
	return map[string][]byte{
		"tokens.json": encode(tokens()), "signatures.json": encode(signatures()),
		"names.json": encode(names()), "thumbprints.json": encode(thumbprints()),
	}
}

func encode(file any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	must(encoder.Encode(file))
	return out.Bytes()
}

// must is for what cannot fail with the inputs there are.
func must(err error) {
	if err != nil {
		panic("vectors: " + err.Error())
	}
}

func one[T any](value T, err error) T {
	must(err)
	return value
}
