/** The started programs, each in a separate process. */
export const startSubjects = ['Fastify, bare', 'Fastify, Countersign', 'Express, bare', 'Express, Countersign'] as const
export type StartSubject = (typeof startSubjects)[number]
