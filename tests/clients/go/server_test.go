package clients

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kylecarbs/aisdk-go"
)

// parley is the running server that the environment names.
func parley(t *testing.T) Client {
	t.Helper()
	client := Client{
		URL:   strings.TrimSuffix(os.Getenv("PARLEY_URL"), "/"),
		Token: os.Getenv("PARLEY_TOKEN"),
	}
	if client.URL == "" || client.Token == "" {
		t.Fatal("PARLEY_URL and PARLEY_TOKEN are not set: this test needs a running Parley")
	}
	return client
}

func newChat(t *testing.T, client Client) Chat {
	t.Helper()
	chat, err := client.CreateChat()
	if err != nil {
		t.Fatal(err)
	}
	return chat
}

func TestChats(t *testing.T) {
	client := parley(t)
	chat := newChat(t, client)
	if chat.ID == uuid.Nil || chat.Title == "" {
		t.Errorf("created %+v", chat)
	}
	if age := time.Since(chat.CreatedAt).Abs(); age > time.Hour || chat.UpdatedAt.Before(chat.CreatedAt) {
		t.Errorf("created at %v, updated at %v", chat.CreatedAt, chat.UpdatedAt)
	}

	path := "/api/v2/chats/" + chat.ID.String()
	var got Chat
	if err := client.Do(http.MethodGet, path, nil, http.StatusOK, &got); err != nil {
		t.Fatal(err)
	}
	if got != chat {
		t.Errorf("got %+v, created %+v", got, chat)
	}

	var list []Chat
	if err := client.Do(http.MethodGet, "/api/v2/chats", nil, http.StatusOK, &list); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, listed := range list {
		if listed == chat {
			found++
		}
	}
	if found != 1 {
		t.Errorf("the list of %d chats has the new one %d times", len(list), found)
	}

	messages, err := client.Messages(chat.ID)
	if err != nil {
		t.Fatal(err)
	}
	if messages == nil || len(messages) != 0 {
		t.Errorf("a new chat's history is %v, wanted []", messages)
	}
}

func TestModels(t *testing.T) {
	client := parley(t)
	var config LanguageModelConfig
	if err := client.Do(http.MethodGet, "/api/v2/deployment/llms", nil, http.StatusOK, &config); err != nil {
		t.Fatal(err)
	}
	demo := 0
	for _, model := range config.Models {
		if model.ID == "demo" && model.DisplayName != "" && model.Provider != "" {
			demo++
		}
	}
	if demo != 1 {
		t.Errorf("the models are %+v", config.Models)
	}
}

func TestFailures(t *testing.T) {
	client := parley(t)
	chat := newChat(t, client)
	hello := aisdk.Message{Role: "user", Content: "Hello"}

	for name, try := range map[string]struct {
		client  Client
		chat    uuid.UUID
		request CreateChatMessageRequest
		status  int
		message string
		field   string
	}{
		"an unknown model": {
			client, chat.ID, CreateChatMessageRequest{Model: "no-such-model", Message: hello},
			http.StatusBadRequest, "Model not found", "",
		},
		"an empty message": {
			client, chat.ID, CreateChatMessageRequest{Model: "demo", Message: aisdk.Message{Role: "user"}},
			http.StatusBadRequest, "Failed to decode chat message", "message",
		},
		"an unknown chat": {
			client, uuid.New(), CreateChatMessageRequest{Model: "demo", Message: hello},
			http.StatusNotFound, "Resource not found", "",
		},
		"a wrong token": {
			Client{URL: client.URL, Token: "not-a-token"}, chat.ID,
			CreateChatMessageRequest{Model: "demo", Message: hello},
			http.StatusUnauthorized, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try.client.Send(try.chat, try.request)
			var failure *Error
			if !errors.As(err, &failure) {
				t.Fatalf("got %v", err)
			}
			if failure.Status != try.status || failure.Message == "" ||
				!strings.Contains(failure.Message, try.message) {
				t.Errorf("got %+v", failure)
			}
			if try.field != "" &&
				(len(failure.Validations) != 1 || failure.Validations[0].Field != try.field) {
				t.Errorf("the validations are %+v, wanted one of %s", failure.Validations, try.field)
			}
		})
	}

	if messages, err := client.Messages(chat.ID); err != nil || len(messages) != 0 {
		t.Errorf("the history is %v, %v", messages, err)
	}
}
