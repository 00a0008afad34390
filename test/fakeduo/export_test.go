package fakeduo

// For the vectors, whose host and path are not ours to serve.
var (
	Sign        = sign
	CanonicalV2 = canonicalV2
	CanonicalV5 = canonicalV5
)
