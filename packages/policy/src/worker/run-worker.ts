import { Worker } from 'node:worker_threads'
import { workerSource } from '#worker'
import type { Policy, Rule } from '@countersign/authorization'
import { describeThrown } from '@countersign/spiffe/options'
import { createDocumentError, PolicyDocumentError } from '../document/policy-document-error.ts'
import type { DocumentProblem } from '../policy-document.ts'
import { freezeDeeply } from './freeze-deeply.ts'
import type { WorkerFile, WorkerInput, WorkerPart } from './messages.ts'

/** The content of a set of documents, deeply frozen. */
export interface LoadedDocuments {
  readonly rules?: readonly Rule[]
  readonly policies: readonly Policy[]
}

/** Options of `loadInWorker`. */
interface WorkerOptions {
  /** Stops the worker early. */
  readonly signal?: AbortSignal
  /** Default: the bundled worker. */
  readonly source?: string
  /** Milliseconds. Default 60,000: far longer than the largest documents take on a busy machine. */
  readonly timeoutMs?: number
  /**
   * The limit of the worker's heap, in MiB. Default 2048: the largest set of rules needs about half of it. Beyond the
   * limit, only the load fails, not the process.
   */
  readonly mostMemory?: number
}

/**
 * Parses documents in a worker thread, so that the event loop of the service is not blocked. The thread only exists
 * during this call.
 *
 * @throws {PolicyDocumentError} `document_invalid` with all problems; `load_failed` if the worker fails, exits early, or
 * takes too long
 */
export async function loadInWorker(
  files: readonly WorkerFile[],
  { signal, source = workerSource, timeoutMs = 60_000, mostMemory = 2048 }: WorkerOptions = {},
): Promise<LoadedDocuments> {
  const worker = startWorker(source, { files }, mostMemory)
  try {
    return await receiveAll(worker, signal, timeoutMs)
  } finally {
    await worker.terminate()
  }
}

// Without the options and environment of the process, which may load code or a debugger into each thread.
function startWorker(source: string, workerData: WorkerInput, mostMemory: number): Worker {
  const transferList = workerData.files.map(({ bytes }) => bytes.buffer).filter((each) => each instanceof ArrayBuffer)
  try {
    return new Worker(source, {
      eval: true,
      workerData,
      transferList,
      execArgv: [],
      env: {},
      name: 'countersign-policy',
      resourceLimits: { maxOldGenerationSizeMb: mostMemory },
    })
  } catch (error) {
    throw describeFailure(describeThrown(error), error)
  }
}

function receiveAll(worker: Worker, signal: AbortSignal | undefined, timeoutMs: number): Promise<LoadedDocuments> {
  return new Promise((resolve, reject) => {
    const rules: Rule[] = []
    const policies: Policy[] = []
    const problems: DocumentProblem[] = []
    const fail = (found: string, cause?: unknown): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      reject(describeFailure(found, cause))
    }
    const abort = (): void => fail('the end of the source')
    const timer = setTimeout(() => fail(`no result after ${timeoutMs} ms`), timeoutMs)
    signal?.addEventListener('abort', abort)
    worker.on('error', (error: unknown) => fail(describeThrown(error), error))
    worker.on('messageerror', (error: unknown) => fail(describeThrown(error), error))
    worker.on('exit', (code) => fail(`its exit with code ${code}`))
    worker.on('message', (part: WorkerPart) => {
      switch (part.kind) {
        case 'rules':
          freezeDeeply(part.rules)
          rules.push(...part.rules)
          break
        case 'policies':
          freezeDeeply(part.policies)
          policies.push(...part.policies)
          break
        case 'problems':
          problems.push(...part.problems)
          break
        case 'end':
          clearTimeout(timer)
          signal?.removeEventListener('abort', abort)
          if (problems.length > 0) reject(createDocumentError(problems))
          else resolve(collect(rules, policies))
          return
      }
      // Request the next part only now, because Node.js reads all waiting messages in one turn of the event loop.
      worker.postMessage('next')
    })
    worker.postMessage('next')
    if (signal?.aborted === true) abort()
  })
}

function collect(rules: readonly Rule[], policies: readonly Policy[]): LoadedDocuments {
  return { ...(rules.length > 0 && { rules: Object.freeze(rules) }), policies: Object.freeze(policies) }
}

function describeFailure(found: string, cause: unknown): PolicyDocumentError {
  const message = `the worker that parses documents: found ${found}, expected a result`
  return new PolicyDocumentError('load_failed', message, [], cause)
}
