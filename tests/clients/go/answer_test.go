package clients

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kylecarbs/aisdk-go"
)

func TestAnswers(t *testing.T) {
	client := parley(t)
	for name, try := range map[string]struct {
		message  aisdk.Message
		thinking bool
		// The codes that the stream has, each once, in the order of their first line.
		codes string
	}{
		"text": {
			message: aisdk.Message{Role: "user", Content: "Hello"},
			codes:   "f0ed",
		},
		"thinking": {
			message:  aisdk.Message{ID: "go-" + uuid.NewString(), Role: "user", Content: "Hello"},
			thinking: true,
			codes:    "fg0ed",
		},
		"everything": {
			message: aisdk.Message{
				ID:      "go-" + uuid.NewString(),
				Role:    "user",
				Content: "everything",
				Parts:   []aisdk.Part{{Type: aisdk.PartTypeText, Text: "everything"}},
			},
			thinking: true,
			codes:    "fgbc9ae0hkd",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chat := newChat(t, client)
			parts, err := client.Send(chat.ID, CreateChatMessageRequest{
				Model:    "demo",
				Message:  try.message,
				Thinking: try.thinking,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := firsts(codes(parts)); got != try.codes {
				t.Errorf("the codes are %s, wanted %s", got, try.codes)
			}
			checkOrder(t, parts)

			history, err := client.Messages(chat.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(history) != 2 {
				t.Fatalf("the history has %d messages", len(history))
			}
			checkQuestion(t, history[0], try.message)
			checkAnswer(t, accumulate(t, parts), history[1])
			checkSources(t, client, chat.ID, parts)
		})
	}
}

// checkOrder holds a stream against the rules of the protocol that its types don't express.
func checkOrder(t *testing.T, parts []aisdk.DataStreamPart) {
	t.Helper()
	order := codes(parts)
	if !strings.HasPrefix(order, "f") || !strings.HasSuffix(order, "ed") {
		t.Errorf("the stream does not go from f to e and d: %s", order)
	}
	if strings.Count(order, "d") != 1 || strings.Count(order, "f") != strings.Count(order, "e") {
		t.Errorf("d comes once, and as many e as f: %s", order)
	}
	ids := map[string]bool{}
	calls := map[string]string{}
	var ends []aisdk.FinishReason
	for _, part := range parts {
		switch p := part.(type) {
		case aisdk.StartStepStreamPart:
			ids[p.MessageID] = true
		case aisdk.ToolCallStartStreamPart:
			calls[p.ToolCallID] += "b"
		case aisdk.ToolCallDeltaStreamPart:
			calls[p.ToolCallID] += "c"
		case aisdk.ToolCallStreamPart:
			calls[p.ToolCallID] += "9"
		case aisdk.ToolResultStreamPart:
			calls[p.ToolCallID] += "a"
		case aisdk.FinishStepStreamPart:
			ends = append(ends, p.FinishReason)
			checkUsage(t, p.Usage)
		case aisdk.FinishMessageStreamPart:
			ends = append(ends, p.FinishReason)
			checkUsage(t, p.Usage)
		}
	}
	if len(ids) != 1 || ids[""] {
		t.Errorf("the message has the ids %v", ids)
	}
	// The last step ends as the message does; those before it called tools.
	last := len(ends) - 2
	for i, reason := range ends {
		if (i < last) != (reason == aisdk.FinishReasonToolCalls) || (i >= last) != (reason == aisdk.FinishReasonStop) {
			t.Errorf("the finish reasons are %q", ends)
		}
	}
	for id, order := range calls {
		if firsts(order) != "bc9a" || strings.Count(order, "9") != 1 || !strings.HasSuffix(order, "9a") {
			t.Errorf("the call %s goes %s", id, order)
		}
	}
}

func checkUsage(t *testing.T, usage aisdk.Usage) {
	t.Helper()
	if usage.PromptTokens == nil || *usage.PromptTokens <= 0 ||
		usage.CompletionTokens == nil || *usage.CompletionTokens <= 0 {
		t.Errorf("the usage is %v", asJSON(t, usage))
	}
}

// accumulate makes of a stream what the seed's server stored of it: a message for each step, which Parley
// stores as one.
func accumulate(t *testing.T, parts []aisdk.DataStreamPart) aisdk.Message {
	t.Helper()
	var accumulator aisdk.DataStreamAccumulator
	for _, part := range parts {
		if err := accumulator.Push(part); err != nil {
			t.Fatal(err)
		}
	}
	messages := accumulator.Messages()
	whole := messages[0]
	for _, message := range messages[1:] {
		if message.ID != whole.ID {
			t.Fatalf("the stream has the messages %q and %q", whole.ID, message.ID)
		}
		whole.Content += message.Content
		whole.Parts = append(whole.Parts, message.Parts...)
	}
	if accumulator.FinishReason() != aisdk.FinishReasonStop || accumulator.Usage().PromptTokens == nil {
		t.Errorf("finished by %q with %v", accumulator.FinishReason(), asJSON(t, accumulator.Usage()))
	}
	return whole
}

func checkQuestion(t *testing.T, stored, sent aisdk.Message) {
	t.Helper()
	if stored.Role != "user" || stored.Content != sent.Content {
		t.Errorf("the question is %s", asJSON(t, stored))
	}
	if stored.ID == "" || (sent.ID != "" && stored.ID != sent.ID) {
		t.Errorf("the question was sent as %q and stored as %q", sent.ID, stored.ID)
	}
	want := []aisdk.Part{{Type: aisdk.PartTypeText, Text: sent.Content}}
	if !reflect.DeepEqual(stored.Parts, want) {
		t.Errorf("the question's parts are %s", asJSON(t, stored.Parts))
	}
	checkCreatedAt(t, stored)
}

func checkAnswer(t *testing.T, streamed, stored aisdk.Message) {
	t.Helper()
	if stored.Role != "assistant" || stored.ID != streamed.ID {
		t.Errorf("streamed as %q, stored as %s %q", streamed.ID, stored.Role, stored.ID)
	}
	if stored.Content == "" || stored.Content != streamed.Content {
		t.Errorf("streamed %q, stored %q", streamed.Content, stored.Content)
	}
	want, got := comparable(streamed.Parts), comparable(stored.Parts)
	if asJSON(t, got) != asJSON(t, want) {
		t.Errorf("streamed %s\nstored %s", asJSON(t, want), asJSON(t, got))
	}
	checkCreatedAt(t, stored)
}

// comparable leaves out what AI SDK 4 wants in a stored part and aisdk-go does not write there: the
// details of reasoning, the step of a tool call, and the form of a source (see checkSources).
func comparable(parts []aisdk.Part) []aisdk.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Details = nil
		parts[i].Source = nil
		if call := parts[i].ToolInvocation; call != nil {
			bare := *call
			bare.Step = nil
			parts[i].ToolInvocation = &bare
		}
	}
	return parts
}

// checkSources compares the sources: stored ones have the form of AI SDK 4's, which is the stream's,
// and not that of aisdk.SourceInfo, which no AI SDK can read.
func checkSources(t *testing.T, client Client, chat uuid.UUID, parts []aisdk.DataStreamPart) {
	t.Helper()
	var history []struct {
		Parts []struct {
			Source *aisdk.SourceStreamPart `json:"source"`
		} `json:"parts"`
	}
	if err := client.Do(http.MethodGet, messagesPath(chat), nil, http.StatusOK, &history); err != nil {
		t.Fatal(err)
	}
	var streamed, stored []aisdk.SourceStreamPart
	for _, part := range parts {
		if source, ok := part.(aisdk.SourceStreamPart); ok {
			streamed = append(streamed, source)
		}
	}
	for _, part := range history[1].Parts {
		if part.Source != nil {
			stored = append(stored, *part.Source)
		}
	}
	if !slices.Equal(streamed, stored) {
		t.Errorf("streamed the sources %v, stored %v", streamed, stored)
	}
}

func checkCreatedAt(t *testing.T, message aisdk.Message) {
	t.Helper()
	if message.CreatedAt == nil {
		t.Errorf("the %s message has no createdAt", message.Role)
		return
	}
	var at time.Time
	if err := json.Unmarshal(*message.CreatedAt, &at); err != nil {
		t.Errorf("createdAt is %s: %v", *message.CreatedAt, err)
	} else if time.Since(at).Abs() > time.Hour {
		t.Errorf("createdAt is %v", at)
	}
}

// codes gives the codes of the lines, in order.
func codes(parts []aisdk.DataStreamPart) string {
	var all strings.Builder
	for _, part := range parts {
		all.WriteByte(part.TypeID())
	}
	return all.String()
}

// firsts gives each letter once, in the order of their first place.
func firsts(letters string) string {
	var seen strings.Builder
	for _, letter := range letters {
		if !strings.ContainsRune(seen.String(), letter) {
			seen.WriteRune(letter)
		}
	}
	return seen.String()
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
