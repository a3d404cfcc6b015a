package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/kylecarbs/aisdk-go"
)

// longestLine is how long a line of a stream may be: files come in one.
const longestLine = 16 << 20

// decoders has a decoder for each code of the protocol, into aisdk-go's own types: aisdk-go writes
// streams, and has no reader of them.
var decoders = map[byte]func([]byte) (aisdk.DataStreamPart, error){
	'0': content(func(text string) aisdk.DataStreamPart { return aisdk.TextStreamPart{Content: text} }),
	'2': content(func(data []any) aisdk.DataStreamPart { return aisdk.DataStreamDataPart{Content: data} }),
	'3': content(func(text string) aisdk.DataStreamPart { return aisdk.ErrorStreamPart{Content: text} }),
	'8': content(func(data []any) aisdk.DataStreamPart { return aisdk.MessageAnnotationStreamPart{Content: data} }),
	'9': object[aisdk.ToolCallStreamPart](),
	'a': object[aisdk.ToolResultStreamPart](),
	'b': object[aisdk.ToolCallStartStreamPart](),
	'c': object[aisdk.ToolCallDeltaStreamPart](),
	'd': object[aisdk.FinishMessageStreamPart](),
	'e': object[aisdk.FinishStepStreamPart](),
	'f': object[aisdk.StartStepStreamPart](),
	'g': content(func(text string) aisdk.DataStreamPart { return aisdk.ReasoningStreamPart{Content: text} }),
	'h': object[aisdk.SourceStreamPart](),
	'i': object[aisdk.RedactedReasoningStreamPart](),
	'j': object[aisdk.ReasoningSignatureStreamPart](),
	'k': object[aisdk.FileStreamPart](),
}

// ReadDataStream decodes a whole stream. Any line that aisdk-go would not have written is an error.
func ReadDataStream(stream io.Reader) ([]aisdk.DataStreamPart, error) {
	var parts []aisdk.DataStreamPart
	scanner := bufio.NewScanner(stream)
	scanner.Buffer(nil, longestLine)
	for scanner.Scan() {
		if scanner.Text() == "" {
			continue // an empty line keeps the connection alive
		}
		part, err := DecodePart(scanner.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %.300s", len(parts)+1, err, scanner.Text())
		}
		parts = append(parts, part)
	}
	return parts, scanner.Err()
}

// DecodePart decodes one line. It is an error where aisdk-go's type does not hold exactly what the
// line says: encoding/json by itself leaves out what it does not know, and makes up what is missing.
func DecodePart(line string) (aisdk.DataStreamPart, error) {
	code, value, found := strings.Cut(line, ":")
	if !found || len(code) != 1 {
		return nil, fmt.Errorf("not CODE:JSON")
	}
	decode, known := decoders[code[0]]
	if !known {
		return nil, fmt.Errorf("unknown code %q", code)
	}
	part, err := decode([]byte(value))
	if err != nil {
		return nil, err
	}
	written, err := part.Format()
	if err != nil {
		return nil, err
	}
	_, again, _ := strings.Cut(written, ":")
	if !sameJSON(value, again) {
		return nil, fmt.Errorf("aisdk-go reads it as %.300s", strings.TrimSpace(written))
	}
	return part, nil
}

func object[T aisdk.DataStreamPart]() func([]byte) (aisdk.DataStreamPart, error) {
	return func(value []byte) (aisdk.DataStreamPart, error) {
		var part T
		err := json.Unmarshal(value, &part)
		return part, err
	}
}

func content[T any](wrap func(T) aisdk.DataStreamPart) func([]byte) (aisdk.DataStreamPart, error) {
	return func(value []byte) (aisdk.DataStreamPart, error) {
		var held T
		err := json.Unmarshal(value, &held)
		return wrap(held), err
	}
}

func sameJSON(a, b string) bool {
	var left, right any
	return json.Unmarshal([]byte(a), &left) == nil &&
		json.Unmarshal([]byte(b), &right) == nil &&
		reflect.DeepEqual(left, right)
}
