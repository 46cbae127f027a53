/*
 * The program of the worker that parses documents. Bundled with its libraries into text, because a bundler of the
 * application would not find a file.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { isRecord } from '@countersign/spiffe/options'
import type { WorkerInput } from './messages.ts'
import { parseFiles } from './parse-files.ts'
import { splitResult } from './split-result.ts'

const input: unknown = workerData
if (!isWorkerInput(input)) throw new TypeError('found data that is not from loadInWorker')
const parts = splitResult(parseFiles(input))
parentPort?.on('message', () => {
  const next = parts.next()
  parentPort?.postMessage(next.done === true ? { kind: 'end' } : next.value)
  if (next.done === true) parentPort?.close()
})

function isWorkerInput(value: unknown): value is WorkerInput {
  return isRecord(value) && Array.isArray(value['files'])
}
