package archive

import "github.com/thanos-io/objstore"

// IsAccessDenied reports whether the bucket refused something to these
// credentials. Unlike the bucket's own method it looks into wrapped errors.
func IsAccessDenied(bkt objstore.BucketReader, err error) bool {
	return anyCause(err, bkt.IsAccessDeniedErr)
}

func isNotFound(bkt objstore.BucketReader, err error) bool {
	return anyCause(err, bkt.IsObjNotFoundErr)
}

// anyCause asks about an error and everything it wraps: most providers know
// their own errors only as they made them.
func anyCause(err error, is func(error) bool) bool {
	if err == nil {
		return false
	}
	if is(err) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return anyCause(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			if anyCause(cause, is) {
				return true
			}
		}
	}
	return false
}
