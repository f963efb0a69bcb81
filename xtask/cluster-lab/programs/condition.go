// What Argo Rollouts says of conditions, by the library that it takes them with. Usage: condition RESULT CONDITION...
//
// RESULT is a measurement as JSON. Prints a line for each condition: true or false.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/antonmedv/expr"
)

func main() {
	var result interface{}
	if err := json.Unmarshal([]byte(os.Args[1]), &result); err != nil {
		log.Fatal(err)
	}
	env := map[string]interface{}{"result": result}
	for _, condition := range os.Args[2:] {
		program, err := expr.Compile(condition, expr.Env(env))
		if err != nil {
			log.Fatal(err)
		}
		said, err := expr.Run(program, env)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(said)
	}
}
