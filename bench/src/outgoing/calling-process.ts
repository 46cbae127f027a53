/** A client in a separate process, to measure only its processor time. Answers with its microseconds per request. */
import { Agent as HttpsAgent, get } from 'node:https'
import { createAgent, createFetch } from '@countersign/client'
import { staticSource } from '@countersign/core'
import { Agent as UndiciAgent, fetch } from 'undici'
import { answerMessages, hasNames, processorTime } from '../measure/child-process.ts'
import type { OutgoingBatch, OutgoingTask } from './outgoing-task.ts'

answerMessages(hasNames<OutgoingTask>('routing', 'port', 'material'), (task) => {
  const call = createCall(task)
  const next = async ({ requests, isNew }: OutgoingBatch): Promise<number> => {
    const url = `https://127.0.0.1:${task.port}/${isNew ? 'close' : ''}`
    let left = requests
    const work = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        const text = await call(url)
        if (text !== '{"invoices":[]}') throw new Error(`found ${text}, expected the server's response`)
      }
    }
    const before = processorTime()
    await Promise.all(Array.from({ length: isNew ? 4 : 16 }, work))
    return (processorTime() - before) / requests
  }
  return Promise.resolve({ answer: 0, next: (message) => (isBatch(message) ? next(message) : 0) })
})

function createCall({ routing, material, serverId, ca }: OutgoingTask): (url: string) => Promise<string> {
  const source = staticSource(material)
  const plain = { key: String(material.key), cert: String(material.cert), ca }
  const servers = [serverId]
  if (routing === 'https.Agent') return callNode(new HttpsAgent({ keepAlive: true, ...plain }))
  if (routing === 'createAgent') return callNode(createAgent(source, { servers }))
  if (routing === 'createFetch') {
    const call = createFetch(source, { servers })
    return async (url) => (await call(url)).text()
  }
  const dispatcher = new UndiciAgent({ connect: plain })
  return async (url) => (await fetch(url, { dispatcher })).text()
}

function callNode(agent: HttpsAgent): (url: string) => Promise<string> {
  return (url) =>
    new Promise((resolve, reject) => {
      const request = get(url, { agent }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.once('end', () => resolve(text))
        response.once('error', reject)
      })
      request.once('error', reject)
    })
}

function isBatch(message: unknown): message is OutgoingBatch {
  return typeof message === 'object' && message !== null && 'requests' in message && 'isNew' in message
}
