package http1_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/originward/originward/internal/http1"
)

// A request is read, and written anew for the next hop.
func ExampleReader_ReadRequestHead() {
	conn := strings.NewReader("GET /a?b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nAccept: */*\r\n\r\n")
	r := http1.NewReader(conn)
	req, err := r.ReadRequestHead(http1.DefaultLimits())
	if err != nil {
		fmt.Println(err)
		return
	}
	out := http1.AppendRequestLine(nil, req.Method, req.Target)
	out = http1.AppendFields(out, req.Fields) // without Connection, which ends here
	out = http1.AppendHeader(out, "X-Forwarded-For", "192.0.2.1")
	out = http1.AppendEnd(out)
	fmt.Println(strings.ReplaceAll(string(out), "\r\n", "\n") + req.Framing.Kind.String())
	// Output:
	// GET /a?b HTTP/1.1
	// Host: shop.example
	// Accept: */*
	// X-Forwarded-For: 192.0.2.1
	//
	// none
}

// What is wrong with a response is named, with the byte at which it happens.
func ExampleParseError() {
	conn := strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<html>")
	r := http1.NewReader(conn)
	_, err := r.ReadResponseHead(http1.DefaultLimits(), "GET")
	if err == nil {
		_, err = r.Body().WriteTo(os.Stdout)
	}
	var e *http1.ParseError
	if errors.As(err, &e) {
		fmt.Println()
		fmt.Println(e.Kind, "in the", e.Part, "at byte", e.Offset)
		fmt.Println(e.Have, "of", e.Want, "bytes; closed in order:", errors.Is(err, io.EOF))
	}
	// Output:
	// <html>
	// body_truncated in the body at byte 46
	// 6 of 100 bytes; closed in order: true
}
