// Runs the fuzz targets. Every input has a number; the same seed and number give the same input.
//
//     swift build -c release --product provider-fuzz
//     provider-fuzz                               all targets, 100,000 inputs each
//     provider-fuzz bedrock-stream 10000000 7     one target, so many inputs, with this seed
//     provider-fuzz --one bedrock-stream 41 7     input 41 alone, printed and run
//     provider-fuzz --list
//
// A trap ends a process: inputs run in children, and of a child that ends so the input is searched for by halves.
import Glibc
import SluiceFuzz

let arguments = Array(CommandLine.arguments.dropFirst())
let program = FuzzProgram(CommandLine.arguments.first ?? "provider-fuzz")
exit(program.run(arguments))
