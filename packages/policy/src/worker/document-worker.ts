/*
 * The program of the worker that parses documents. Bundled with its libraries into text, because a bundler of the
 * application would not find a file.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { parseFiles } from './parse-files.ts'
import { splitResult } from './split-result.ts'

const parts = splitResult(parseFiles(workerData))
parentPort?.on('message', () => {
  const next = parts.next()
  parentPort?.postMessage(next.done === true ? { kind: 'end' } : next.value)
  if (next.done === true) parentPort?.close()
})
