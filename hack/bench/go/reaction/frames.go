// SPDX-License-Identifier: Apache-2.0
package main

import "bytes"

const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	headLen  = 9
	typeData = 0
	typeHead = 1
)

// frames finds the types of HTTP/2 frames in bytes as they come, whatever the pieces.
type frames struct {
	head []byte
	left int // bytes of the frame's rest
}

// next reports whether a frame of that type begins in b (with a payload, if it is DATA).
func (f *frames) next(b []byte, want byte) (found bool) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := min(headLen-len(f.head), len(b))
		f.head, b = append(f.head, b[:n]...), b[n:]
		if len(f.head) < headLen {
			break
		}
		f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
		if f.head[3] == want && (want != typeData || f.left > 0) {
			found = true
		}
		f.head = f.head[:0]
	}
	return found
}

// talk is what one connection says, in HTTP/2 or HTTP/1.1.
type talk struct {
	http2    bool
	begun    bool
	up, down frames
	watch    bool // HTTP/1.1: its answer is a watch
}

// request reports whether a request begins in bytes from the client.
func (t *talk) request(b []byte) bool {
	if t.http2 {
		if !t.begun {
			t.begun = true
			b = bytes.TrimPrefix(b, []byte(preface))
		}
		return t.up.next(b, typeHead)
	}
	for _, method := range []string{"GET ", "PATCH ", "PUT ", "POST "} {
		if bytes.HasPrefix(b, []byte(method)) {
			line, _, _ := bytes.Cut(b, []byte("\r\n"))
			t.watch = bytes.Contains(line, []byte("watch="))
			return true
		}
	}
	return false
}

// event reports whether bytes to the client have a part of a body that may be a watch's.
func (t *talk) event(b []byte) bool {
	if t.http2 {
		return t.down.next(b, typeData)
	}
	return t.watch
}
