package baseline

import "strconv"

// leftOut is the annotation, of an object in memory only, that says how large the content is that
// it lacks.
const leftOut = "security.bulwark.dev/bytes-left-out"

// LeaveOut says of an object that so many bytes of its content were not decoded; 0 takes that back,
// whoever has said it.
func LeaveOut(o Object, bytes int) {
	annotations := o.GetAnnotations()
	if bytes == 0 {
		delete(annotations, leftOut)
		return
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[leftOut] = strconv.Itoa(bytes)
	o.SetAnnotations(annotations)
}

// LeftOut is how many bytes of an object's content were not decoded. It is 0 for one that is whole,
// and for each that the API server was asked for.
func LeftOut(o Object) int {
	n, err := strconv.Atoi(o.GetAnnotations()[leftOut])
	if err != nil {
		return 0
	}
	return n
}
