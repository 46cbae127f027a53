#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'
import { createEnding } from './ending.ts'
import { Screen } from './output/screen.ts'

// The only file that knows the process: what it reads of it is handed on.
const ending = createEnding(process)

process.exitCode = await runCommandLine(process.argv.slice(2), {
  output: new Screen(process.stdout, process.env),
  errors: new Screen(process.stderr, process.env),
  environment: process.env,
  now: Date.now,
  stayUntilEnded: ending.stayUntilEnded,
})
