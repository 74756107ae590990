// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"math/rand"
)

// Bytes set, flipped, dropped, doubled, moved.
func mutateBytes(r *rand.Rand, data []byte) []byte {
	const spice = "{}[]\":,\\u0ntf-.e \x00\x0a\x12\x7f\x80\xff"
	out := append([]byte{}, data...)
	for edits := 1 + r.Intn(3); edits > 0 && len(out) > 0; edits-- {
		at := r.Intn(len(out))
		n := 1 + r.Intn(min(len(out)-at, 32))
		switch r.Intn(5) {
		case 0:
			out[at] = spice[r.Intn(len(spice))]
		case 1:
			out[at] ^= 1 << r.Intn(8)
		case 2:
			out = append(out[:at:at], out[at+n:]...)
		case 3:
			out = append(out[:at+n:at+n], out[at:]...)
		default:
			copy(out[at:at+n], out[r.Intn(len(out)-n+1):])
		}
	}
	return out
}

type field struct {
	number uint64
	wire   byte
	body   []byte // behind the tag, and behind the length where there is one
}

func (f field) append(out []byte) []byte {
	out = binary.AppendUvarint(out, f.number<<3|uint64(f.wire))
	if f.wire == 2 {
		out = binary.AppendUvarint(out, uint64(len(f.body)))
	}
	return append(out, f.body...)
}

// The first field of a message, and what follows; nil when it is none.
func cut(data []byte) (*field, []byte) {
	tag, n := binary.Uvarint(data)
	if n <= 0 || tag>>3 == 0 || tag>>32 != 0 {
		return nil, nil
	}
	f := &field{number: tag >> 3, wire: byte(tag & 7)}
	data = data[n:]
	size := uint64(0)
	switch f.wire {
	case 0:
		for size < uint64(len(data)) && data[size] >= 0x80 {
			size++
		}
		size++
	case 1:
		size = 8
	case 2:
		length, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, nil
		}
		data, size = data[n:], length
	case 5:
		size = 4
	default:
		return nil, nil
	}
	if size > uint64(len(data)) {
		return nil, nil
	}
	f.body = data[:size]
	return f, data[size:]
}

// The fields of a message, or false when it is none.
func split(data []byte) (out []field, ok bool) {
	for len(data) > 0 {
		f, rest := cut(data)
		if f == nil {
			return nil, false
		}
		out, data = append(out, *f), rest
	}
	return out, true
}

func unknownField(r *rand.Rand) field {
	f := field{number: 100 + uint64(r.Intn(1000)), body: []byte("\x01")}
	switch r.Intn(8) {
	case 0:
		f.wire, f.body = 1, []byte("01234567")
	case 1:
		f.wire, f.body = 5, []byte("0123")
	case 2, 3, 4:
		f.wire, f.body = 2, []byte("hello")
	case 5:
		f.wire, f.body = 3, binary.AppendUvarint(nil, f.number<<3|4) // an empty group
	}
	return f
}

// Fields dropped, doubled, moved, strange ones put in; here or deeper.
func mutateFields(r *rand.Rand, data []byte) []byte {
	fields, ok := split(data)
	if !ok || len(fields) == 0 || r.Intn(12) == 0 {
		return mutateBytes(r, data)
	}
	at, other := r.Intn(len(fields)), r.Intn(len(fields))
	switch n := r.Intn(12); {
	case n == 0:
		fields = append(fields[:at:at], fields[at+1:]...)
	case n == 1:
		fields = append(fields, fields[at])
	case n == 2:
		fields[at], fields[other] = fields[other], fields[at]
	case n == 3:
		fields = append(fields[:at:at], append([]field{unknownField(r)}, fields[at:]...)...)
	case fields[at].wire == 2:
		fields[at].body = mutateFields(r, fields[at].body)
	case fields[at].wire == 0:
		fields[at].body = binary.AppendUvarint(nil, r.Uint64()>>r.Intn(64))
	}
	var out []byte
	for _, f := range fields {
		out = f.append(out)
	}
	return out
}

func mutateEnvelope(r *rand.Rand, data []byte) []byte {
	if len(data) < 4 {
		return mutateBytes(r, data)
	}
	return append([]byte("k8s\x00"), mutateFields(r, data[4:])...)
}

// A part of JSON text is put somewhere else: between two of the marks that it is made of.
func mutateJSON(r *rand.Rand, data []byte) []byte {
	if r.Intn(2) == 0 {
		return mutateBytes(r, data)
	}
	parts := bytes.SplitAfter(data, []byte(","))
	at, other := r.Intn(len(parts)), r.Intn(len(parts))
	switch r.Intn(3) {
	case 0:
		parts[at] = append(append([]byte{}, parts[at]...), parts[other]...)
	case 1:
		parts[at], parts[other] = parts[other], parts[at]
	default:
		parts = append(parts[:at:at], parts[at+1:]...)
	}
	return bytes.Join(parts, nil)
}

func mutate(r *rand.Rand, m mode, data []byte) []byte {
	switch {
	case len(data) == 0 || r.Intn(4) == 0:
		return mutateBytes(r, data)
	case m.json():
		return mutateJSON(r, data)
	case m == watchProto:
		return mutateFrame(r, data)
	}
	return mutateEnvelope(r, data)
}

// The first event of a watch: its envelope.
func mutateFrame(r *rand.Rand, data []byte) []byte {
	n := int(binary.BigEndian.Uint32(data)) + 4
	event, ok := split(data[4:n])
	if !ok || len(event) != 2 {
		return mutateBytes(r, data)
	}
	raw, ok := split(event[1].body)
	if !ok || len(raw) != 1 {
		return mutateBytes(r, data)
	}
	raw[0].body = mutateEnvelope(r, raw[0].body)
	event[1].body = raw[0].append(nil)
	frame := event[1].append(event[0].append(nil))
	out := binary.BigEndian.AppendUint32(nil, uint32(len(frame)))
	return append(append(out, frame...), data[n:]...)
}
