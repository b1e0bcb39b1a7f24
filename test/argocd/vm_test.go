package argocd

import (
	"context"
	"fmt"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// health is what Argo CD makes of an object.
type health struct {
	Status  string
	Message string
}

// statuses are those that Argo CD knows; it takes every other one for Unknown.
var statuses = map[string]bool{
	"Healthy":     true,
	"Progressing": true,
	"Degraded":    true,
	"Suspended":   true,
	"Missing":     true,
}

// judge runs a health check as Argo CD does: with the libraries package, base and table and no
// other, within a second, with the object as the global obj. Argo CD also opens a part of os, which
// none of ours may use.
func judge(t *testing.T, script string, object map[string]any) (health, error) {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := l.CallByParam(
			lua.P{Fn: l.NewFunction(library.open), Protect: true},
			lua.LString(library.name),
		); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", value(l, object))
	if err := l.DoString(script); err != nil {
		return health{}, err
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return health{}, fmt.Errorf("it returns %s and no table", l.Get(-1).Type())
	}
	return health{
		Status:  lua.LVAsString(table.RawGetString("status")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}, nil
}

// value is a value of decoded JSON in Lua. A list begins at 1, and null is nil: the field is not
// there.
func value(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case bool:
		return lua.LBool(v)
	case float64:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case []any:
		list := l.CreateTable(len(v), 0)
		for _, element := range v {
			list.Append(value(l, element))
		}
		return list
	case map[string]any:
		table := l.CreateTable(0, len(v))
		for key, element := range v {
			table.RawSetString(key, value(l, element))
		}
		return table
	}
	return lua.LNil
}
