package report

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// clean returns a copy of v that JSON can hold, its empty lists and maps [] and
// {}: a number that is none becomes nil where it can be, else 0. Their paths are
// appended to bad.
func clean(v reflect.Value, path string, bad *[]string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return v
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			out.Field(i).Set(clean(v.Field(i), strings.TrimPrefix(path+"."+name, "."), bad))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(clean(v.Index(i), fmt.Sprintf("%s[%d]", path, i), bad))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, clean(v.MapIndex(key), fmt.Sprintf("%s.%v", path, key), bad))
		}
	case reflect.Pointer:
		before := len(*bad)
		if v.IsNil() {
			return v
		}
		elem := clean(v.Elem(), path, bad)
		if v.Type().Elem().Kind() == reflect.Float64 && len(*bad) > before {
			return out
		}
		out.Set(reflect.New(elem.Type()))
		out.Elem().Set(elem)
	case reflect.Float64:
		if !finite(v.Float()) {
			*bad = append(*bad, path)
			return out
		}
		return v
	default:
		return v
	}
	return out
}
