#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'
import { createEnding } from './ending.ts'
import { Screen } from './output/screen.ts'

// Only this file accesses the process; it passes on what commands need.
const ending = createEnding(process)

process.exitCode = await runCommandLine(process.argv.slice(2), {
  output: new Screen(process.stdout, process.env),
  errors: new Screen(process.stderr, process.env),
  input: process.stdin,
  environment: process.env,
  now: Date.now,
  stayUntilEnded: ending.stayUntilEnded,
})
