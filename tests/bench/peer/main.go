// Command peer is the server that the benchmarks compare Parley with: chats, and answers that a provider
// streams, in the seed's data stream. It keeps everything in memory and checks nothing.
//
//	go run ./tests/bench/peer PROVIDER
package main

import (
	"bufio"
	"bytes"
	"container/list"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type chat struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	messages  []message
	place     *list.Element
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type delta struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
}

type server struct {
	provider string
	client   *http.Client
	mutex    sync.Mutex
	chats    map[string]*chat
	// The chats, the last used first.
	order *list.List
}

func main() {
	s := &server{
		provider: os.Args[1],
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
		chats:    map[string]*chat{},
		order:    list.New(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/chats", s.list)
	mux.HandleFunc("POST /api/v2/chats", s.create)
	mux.HandleFunc("POST /api/v2/chats/{chat}/messages", s.send)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listens on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, mux))
}

func (s *server) list(w http.ResponseWriter, _ *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	newest := []*chat{}
	for at := s.order.Front(); at != nil && len(newest) < 50; at = at.Next() {
		newest = append(newest, at.Value.(*chat))
	}
	w.Header().Set("content-type", "application/json")
	json.NewEncoder(w).Encode(newest)
}

func (s *server) create(w http.ResponseWriter, r *http.Request) {
	one := &chat{ID: newID(), Title: "A chat", CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if err := json.NewDecoder(r.Body).Decode(one); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mutex.Lock()
	s.chats[one.ID] = one
	one.place = s.order.PushFront(one)
	s.mutex.Unlock()
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(one)
}

func (s *server) send(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		Message message `json:"message"`
		Model   string  `json:"model"`
	}
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mutex.Lock()
	one := s.chats[r.PathValue("chat")]
	if one == nil {
		s.mutex.Unlock()
		http.NotFound(w, r)
		return
	}
	one.messages = append(one.messages, sent.Message)
	asked, _ := json.Marshal(map[string]any{
		"model": sent.Model, "stream": true, "messages": one.messages,
		"stream_options": map[string]bool{"include_usage": true},
	})
	s.mutex.Unlock()
	answer, err := s.client.Post(s.provider+"/v1/chat/completions", "application/json", bytes.NewReader(asked))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	text := s.stream(w, answer)
	s.mutex.Lock()
	one.messages = append(one.messages, message{"assistant", text})
	one.UpdatedAt = time.Now()
	s.order.MoveToFront(one.place)
	s.mutex.Unlock()
}

// stream writes the deltas of an answer as they come, and returns the whole text.
func (s *server) stream(w http.ResponseWriter, answer *http.Response) string {
	w.Header().Set("content-type", "text/plain; charset=utf-8")
	w.Header().Set("x-vercel-ai-data-stream", "v1")
	flusher := w.(http.Flusher)
	fmt.Fprintf(w, "f:{\"messageId\":%q}\n", newID())
	var text bytes.Buffer
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, found := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !found || bytes.Equal(data, []byte("[DONE]")) {
			continue
		}
		var event delta
		if json.Unmarshal(data, &event) != nil || len(event.Choices) == 0 {
			continue
		}
		content := event.Choices[0].Delta.Content
		if content == "" {
			continue
		}
		text.WriteString(content)
		quoted, _ := json.Marshal(content)
		fmt.Fprintf(w, "0:%s\n", quoted)
		flusher.Flush()
	}
	fmt.Fprint(w, "d:{\"finishReason\":\"stop\",\"usage\":{\"promptTokens\":0,\"completionTokens\":0}}\n")
	return text.String()
}

func newID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
