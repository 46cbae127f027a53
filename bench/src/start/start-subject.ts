/** What is started, each in a process of its own. */
export const startSubjects = ['Fastify, bare', 'Fastify, Countersign', 'Express, bare', 'Express, Countersign'] as const
export type StartSubject = (typeof startSubjects)[number]
