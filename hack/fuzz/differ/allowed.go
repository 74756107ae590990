// SPDX-License-Identifier: Apache-2.0

// What differs between Go's decoders and ours by intent, each with the name under which it is counted. All of it is
// well-formed enough for Go, and in nothing that an API server sends.
//
//	tag of more than 32 bits        Go drops the upper bits; protobuf has no such tag: we refuse
//	group                           Go skips groups; Kubernetes has none: we refuse
//	envelope without object         Go makes an empty object; we refuse, or skip the event
//	envelope with two lists         Go takes the last; our objects have left by then: we refuse
//	contentEncoding is set          Go pays no heed; it would be compressed: we refuse
//	map entry that is cut short     Go reads on behind the entry's end; we refuse
//	map entry of other types        Go reads a length where a number is; we skip it
//	time without seconds            Go says 1970; we say nothing
//	time that an empty one undoes   for us an empty time is as none: the one before it counts
//	key that comes twice            Go lets null undo a value, and lays lists over each other; ours add up
//	null in a list or map           Go makes an empty element; we skip it
//	NUL in the list's version       we give strings of C, which end there
//	event not in a line of its own  Go reads one document after the other; we read lines, as a server writes them
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"reflect"
	"strings"
)

// The messages that our tables go into, by the number of their field.
type shape map[uint64]shape

var (
	leaf      = shape{}
	mapEntry  = shape{0: nil, 1: nil}
	timestamp = shape{0: nil}
	metaShape = shape{8: timestamp, 9: timestamp, 11: mapEntry, 12: mapEntry, 17: {7: leaf}}
	balanced  = shape{1: {1: leaf}} // a status with loadBalancer.ingress
	shapes    = map[kind]shape{
		kindMeta:          {1: metaShape},
		kindService:       {1: metaShape, 2: {1: leaf, 2: mapEntry}, 3: balanced},
		kindNamespace:     {1: metaShape, 3: leaf},
		kindDeployment:    {1: metaShape, 2: leaf, 3: leaf},
		kindEndpointSlice: {1: metaShape, 2: {2: leaf, 4: leaf}, 3: leaf},
		kindIngress:       {1: metaShape, 3: balanced},
		kindPod:           {1: metaShape, 2: leaf},
	}
)

// What is odd in a message that we read, "" when nothing is.
func oddity(data []byte, s shape) string {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		switch wire := tag & 7; {
		case n <= 0 || n > 5 || tag>>32 != 0:
			return "tag of more than 32 bits"
		case wire == 3 || wire == 4:
			return "group"
		}
		one, rest := cut(data)
		if one == nil {
			return ""
		}
		data = rest
		if sub, ok := s[one.number]; ok && one.wire == 2 {
			if why := oddLeaf(one.body, sub); why != "" {
				return why
			}
			if why := oddity(one.body, sub); why != "" {
				return why
			}
		}
	}
	return ""
}

// Go reads a map's entry without a look at its end or at the types of its two fields; and for it a time without seconds
// is 1970, while an empty one is none.
func oddLeaf(data []byte, s shape) string {
	_, special := s[0]
	_, entry := s[1]
	fields, ok := split(data)
	has := map[uint64]bool{}
	for _, f := range fields {
		has[f.number<<3|uint64(f.wire)] = true
		if entry && f.number <= 2 && f.wire != 2 {
			return "map entry of other types"
		}
	}
	switch {
	case entry && !ok:
		return "map entry that is cut short"
	case special && !entry && len(data) > 0 && !has[1<<3]:
		return "time without seconds"
	}
	return ""
}

func oddEnvelope(data []byte, s shape, list bool) string {
	if len(data) < 4 {
		return ""
	}
	if why := oddity(data[4:], shape{1: leaf}); why != "" {
		return why
	}
	raws := 0
	var raw []byte
	fields, _ := split(data[4:])
	for _, f := range fields {
		switch {
		case f.number == 2 && f.wire == 2:
			raws++
			raw = f.body
		case f.number == 3 && len(f.body) > 0:
			return "contentEncoding is set"
		}
	}
	switch {
	case raws == 0:
		return "envelope without object"
	case raws > 1 && list:
		return "envelope with two lists"
	case list:
		return oddity(raw, shape{1: leaf, 2: s})
	}
	return oddity(raw, s)
}

// Are they equal but for times that only we see?
func timeUndone(want, got *seen) bool {
	if len(want.Objects) != len(got.Objects) {
		return false
	}
	undone := *got
	undone.Objects = append([]object{}, got.Objects...)
	for i := range undone.Objects {
		if want.Objects[i].Deletion == nil {
			undone.Objects[i].Deletion = nil
		}
	}
	return reflect.DeepEqual(want, &undone)
}

func oddWatch(data []byte, s shape) string {
	for len(data) >= 4 {
		n := uint64(binary.BigEndian.Uint32(data)) + 4
		if n > uint64(len(data)) {
			return ""
		}
		event := data[4:n]
		if why := oddity(event, shape{2: leaf}); why != "" {
			return why
		}
		fields, _ := split(event)
		var object []byte
		for _, f := range fields {
			if f.number == 2 && f.wire == 2 {
				raw, _ := split(f.body)
				for _, f := range raw {
					object = f.body
				}
			}
		}
		if why := oddEnvelope(object, s, false); why != "" {
			return why
		}
		data = data[n:]
	}
	return ""
}

// The name of the kind of difference that this is, if it is one that we accept: none of them is in what a server sends.
func allowed(t *test, ok bool, got *seen) string {
	s := shapes[t.kind]
	if strings.Contains(t.want.Version+t.want.Continue, "\x00") {
		return "NUL in the list's version" // which we give as a string of C
	}
	if ok && timeUndone(t.want, got) {
		return "time that an empty one undoes"
	}
	switch t.mode {
	case objectProto:
		return oddEnvelope(t.data, s, false)
	case listProto:
		return oddEnvelope(t.data, s, true)
	case watchProto:
		return oddWatch(t.data, s)
	case watchJSON:
		for _, line := range bytes.Split(t.data, []byte("\n")) {
			if len(line) > 0 && !json.Valid(line) {
				return "event not in a line of its own"
			}
		}
	}
	return oddJSON(t.data)
}

// What is odd in JSON documents, one behind the other.
func oddJSON(data []byte) string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		switch why, err := oddValue(d, false); {
		case err == io.EOF:
			return ""
		case err != nil:
			return "" // Go's reader takes it, and ours did not
		case why != "":
			return why
		}
	}
}

// nulls: is it a list, or a map, where a null of its own stands for an empty value?
func oddValue(d *json.Decoder, nulls bool) (string, error) {
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	if token == nil && nulls {
		return "null in a list or map", nil
	}
	switch token {
	case json.Delim('['):
		for d.More() {
			if why, err := oddValue(d, true); why != "" || err != nil {
				return why, err
			}
		}
		_, err = d.Token()
	case json.Delim('{'):
		keys := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return "", err
			}
			if name := key.(string); keys[name] {
				return "key that comes twice", nil
			} else {
				keys[name] = true
			}
			if why, err := oddValue(d, true); why != "" || err != nil {
				return why, err
			}
		}
		_, err = d.Token()
	}
	return "", err
}
