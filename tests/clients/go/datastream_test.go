package clients

import (
	"strings"
	"testing"
)

func TestReadDataStreamTakesWhatAisdkWrites(t *testing.T) {
	stream := "f:{\"messageId\":\"m\"}\n\n0:\"Hi <b>\"\ng:\"hm\"\n" +
		`9:{"toolCallId":"c","toolName":"n","args":{"x":[1]}}` + "\n" +
		`a:{"toolCallId":"c","result":null}` + "\n" +
		`d:{"finishReason":"stop","usage":{"promptTokens":1,"completionTokens":2}}` + "\n"
	parts, err := ReadDataStream(strings.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(parts); got != "f0g9ad" {
		t.Errorf("decoded %s", got)
	}
}

func TestReadDataStreamRefusesOtherLines(t *testing.T) {
	for name, line := range map[string]string{
		"no code":             `{"messageId":"m"}`,
		"a comment":           `: ping`,
		"an unknown code":     `z:"text"`,
		"a long code":         `data:"text"`,
		"no JSON":             `0:text`,
		"two values":          `0:"a" "b"`,
		"another type":        `0:{"text":"a"}`,
		"arguments as a text": `9:{"toolCallId":"c","toolName":"n","args":"{}"}`,
		"no arguments":        `9:{"toolCallId":"c","toolName":"n"}`,
		"no result":           `a:{"toolCallId":"c"}`,
		"no id":               `f:{}`,
		"a field too many":    `f:{"messageId":"m","model":"demo"}`,
		"no usage":            `d:{"finishReason":"stop"}`,
		"a part of a token":   `d:{"finishReason":"stop","usage":{"promptTokens":0.5,"completionTokens":2}}`,
		"a file as a URL":     `k:{"data":"data:image/png;base64,AA==","mimeType":"image/png"}`,
	} {
		if _, err := ReadDataStream(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("%s was taken: %s", name, line)
		}
	}
}
