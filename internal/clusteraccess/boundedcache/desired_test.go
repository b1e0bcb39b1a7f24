package boundedcache

import (
	"testing"
)

func TestDesired(t *testing.T) {
	d := NewDesired()
	limit := func(name string) int {
		bytes, desired := d.Limit("Role", name)
		if !desired {
			return -1
		}
		return bytes
	}
	if got := limit("bulwark-developer"); got != -1 {
		t.Errorf("nobody desires it, and %d bytes are cached", got)
	}
	profile := developers()
	d.Note(profile)
	small := limit("bulwark-developer")
	if small < spareBytes || small > spareBytes+200 {
		t.Errorf("%d bytes are cached of what is a few", small)
	}
	larger := developers()
	larger.UID = "2"
	for range 100 {
		rules := &larger.Spec.RBAC.Roles[0].Rules
		*rules = append(*rules, (*rules)[0])
	}
	d.Note(larger)
	if got := limit("bulwark-developer"); got < 2*100*10 {
		t.Errorf("%d bytes are cached of what is larger", got)
	}
	d.Forget(larger)
	if got := limit("bulwark-developer"); got != small {
		t.Errorf("%d bytes are cached, not %d as before", got, small)
	}
	profile.Spec.RBAC.Roles[0].Name = "other"
	d.Note(profile)
	if got := limit("bulwark-developer"); got != -1 {
		t.Errorf("nobody desires it any more, and %d bytes are cached", got)
	}
}
