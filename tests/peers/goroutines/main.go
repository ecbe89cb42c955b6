// A line echo as a beginner in Go extends his echo: a goroutine per connection, a buffered reader,
// a write per line. Listens on a free port of 127.0.0.1 and says which.
//
//	go build -o goroutines main.go && ./goroutines
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %s\n", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go echo(connection)
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		// At end of input, the unfinished line comes together with the error.
		line, readErr := reader.ReadBytes('\n')
		_, writeErr := connection.Write(line)
		if readErr != nil || writeErr != nil {
			return
		}
	}
}
