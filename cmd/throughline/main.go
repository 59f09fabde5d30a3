// Command throughline runs Throughline, drives it and checks what it promises.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
