/**
 * Runs a command and shows every two seconds that it is still running, with or without a terminal: what it does, for
 * how
 * long, and the last progress that it reported. Prints its output only if it fails, and exits with its exit code.
 *
 * usage: node scripts/with-progress.mjs <what it does> <command> [arguments…]
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

const [what, command, ...args] = process.argv.slice(2)
const began = performance.now()
let output = ''
let progress = ''

// On Windows npm's tools are .cmd files, which only a shell can start.
const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' })
for (const stream of [child.stdout, child.stderr]) {
  stream.setEncoding('utf8').on('data', (text) => {
    output += text
    progress = text.match(/(?<=Progress: ).+/g)?.at(-1) ?? progress
  })
}
const timer = setInterval(() => {
  const seconds = Math.round((performance.now() - began) / 1000)
  process.stderr.write(`${what}: ${seconds} s${progress === '' ? '' : `, ${progress}`}\n`)
}, 2000)
child.on('error', (error) => {
  clearInterval(timer)
  process.stderr.write(`${error.message}\n`)
  // The exit code that a shell uses if the command does not exist.
  process.exitCode = error.code === 'ENOENT' ? 127 : 1
})
child.on('close', (code, signal) => {
  clearInterval(timer)
  if (code !== 0) process.stderr.write(output)
  process.exitCode ??= code ?? 128 + constants.signals[signal]
})
