import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
  type status,
} from '@grpc/grpc-js'
import { loadReferenceService } from './reference-service.ts'

/** The agent's script: messages, and then silence, the end, or a status. */
export interface Script {
  readonly messages?: readonly object[]
  readonly last?: 'end' | { readonly code: status; readonly details: string }
}

/** Starts an agent that answers every stream and every call with the script, however wrong; returns its endpoint. */
export async function startScriptedAgent(
  context: TestContext,
  script: () => Script,
): Promise<{ readonly endpoint: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-scripted-'))
  const server = new Server()
  context.after(() => {
    server.forceShutdown()
    rmSync(folder, { recursive: true, force: true })
  })
  const stream: handleServerStreamingCall<object, object> = (call) => {
    const { messages = [], last } = script()
    for (const message of messages) call.write(message)
    if (last === 'end') call.end()
    else if (last !== undefined) call.emit('error', last)
  }
  const unary: handleUnaryCall<object, object> = (_call, answer) => {
    const { messages = [], last } = script()
    const refusal: Partial<ServiceError> | null = typeof last === 'object' ? last : null
    answer(refusal, messages[0])
  }
  const implementation: Record<string, typeof stream | typeof unary> = {}
  const service = loadReferenceService()
  for (const [name, { responseStream }] of Object.entries(service)) {
    implementation[name] = responseStream ? stream : unary
  }
  server.addService(service, implementation)
  const path = join(folder, 'agent.sock')
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  return { endpoint: `unix://${path}` }
}
