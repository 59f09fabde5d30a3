package mobile

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/lang"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"", "1380000000", "138000000011", "12800000001", "1380000000x", "+8613800000001", " 13800000001"} {
		_, err := Parse(s)
		assert.ErrorIs(t, err, ErrInvalid, "%q", s)
	}
	n, err := Parse("13800000001")
	require.NoError(t, err)
	assert.EqualValues(t, "13800000001", n)
}

func TestNumberIsMaskedWhereverItIsPrinted(t *testing.T) {
	n := Number("13800000001")
	text, err := json.Marshal(map[string]any{"mobile": n})
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprint(n), fmt.Sprintf("%s %v %+v %#v %q", n, n, n, n, n), string(text),
		lang.Repr(n), // how go-zero's sqlx prints an argument
		fmt.Sprintf("%v", struct{ N Number }{n}),
	} {
		assert.NotContains(t, printed, "13800000001")
		assert.Contains(t, printed, "138****0001")
	}
	assert.Equal(t, "****", Number("1380000").String())
}

func TestNumberReachesTheDatabaseWhole(t *testing.T) {
	v, err := Number("13800000001").Value()
	require.NoError(t, err)
	assert.Equal(t, "13800000001", v)
}
