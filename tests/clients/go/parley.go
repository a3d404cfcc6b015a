// Package clients talks to a running Parley as the Go clients of Coder's chat API do: with the types
// of aisdk-go, and with structs equal to those of codersdk.
package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/kylecarbs/aisdk-go"
)

// Chat is codersdk.Chat.
type Chat struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	CreatedAt time.Time `json:"created_at" format:"date-time"`
	UpdatedAt time.Time `json:"updated_at" format:"date-time"`
	Title     string    `json:"title"`
}

// CreateChatMessageRequest is codersdk.CreateChatMessageRequest.
type CreateChatMessageRequest struct {
	Model    string        `json:"model"`
	Message  aisdk.Message `json:"message"`
	Thinking bool          `json:"thinking"`
}

// LanguageModelConfig is codersdk.LanguageModelConfig.
type LanguageModelConfig struct {
	Models []LanguageModel `json:"models"`
}

// LanguageModel is codersdk.LanguageModel.
type LanguageModel struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	Provider    string `json:"provider"`
}

// Error is a response that is no success, with the fields of codersdk.Response.
type Error struct {
	Status      int               `json:"-"`
	Message     string            `json:"message"`
	Detail      string            `json:"detail,omitempty"`
	Validations []ValidationError `json:"validations,omitempty"`
}

// ValidationError is codersdk.ValidationError.
type ValidationError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d: %s: %s", e.Status, e.Message, e.Detail)
}

// Client asks one Parley as one user.
type Client struct {
	URL   string
	Token string
}

// Do sends body as JSON, unless it is nil, and decodes the response into result, unless that is nil.
// A response with another status than the wanted one is an *Error.
func (c Client) Do(method, path string, body any, wanted int, result any) error {
	response, err := c.send(method, path, body, wanted)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if result == nil {
		return nil
	}
	return decode(response.Body, result)
}

// CreateChat makes a chat.
func (c Client) CreateChat() (chat Chat, err error) {
	err = c.Do(http.MethodPost, "/api/v2/chats", nil, http.StatusCreated, &chat)
	return chat, err
}

// Messages gives the history of a chat.
func (c Client) Messages(chat uuid.UUID) (messages []aisdk.Message, err error) {
	err = c.Do(http.MethodGet, messagesPath(chat), nil, http.StatusOK, &messages)
	return messages, err
}

// Send sends a message and reads the stream of its answer to the end.
func (c Client) Send(chat uuid.UUID, request CreateChatMessageRequest) ([]aisdk.DataStreamPart, error) {
	response, err := c.send(http.MethodPost, messagesPath(chat), request, http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if version := response.Header.Get("X-Vercel-AI-Data-Stream"); version != "v1" {
		return nil, fmt.Errorf("X-Vercel-AI-Data-Stream is %q", version)
	}
	return ReadDataStream(response.Body)
}

func (c Client) send(method, path string, body any, wanted int) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, c.URL+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Coder-Session-Token", c.Token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == wanted {
		return response, nil
	}
	defer response.Body.Close()
	failure := Error{Status: response.StatusCode}
	if err := decode(response.Body, &failure); err != nil {
		return nil, fmt.Errorf("status %d with a body that is no codersdk.Response: %w", failure.Status, err)
	}
	return nil, &failure
}

func messagesPath(chat uuid.UUID) string {
	return "/api/v2/chats/" + chat.String() + "/messages"
}

func decode(body io.Reader, result any) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, result); err != nil {
		return fmt.Errorf("%w in %.300s", err, content)
	}
	return nil
}
