import { errors, type ErrorCode } from "../src/lib/errors.ts";
import { requestFault, responseFault } from "./forwarded.ts";
import { type Gateway, sendPieces } from "./gateway.ts";
import * as llhttp from "./llhttp.ts";
import type { Message, Reading } from "./message.ts";
import { readRequests, readResponse } from "./ours.ts";
import { Random } from "./random.ts";
import type { ResponseStream } from "./responses.ts";

/**
 * What must hold for any stream of bytes, through the data plane as it runs. Each check
 * answers with what is wrong, or `null`.
 */

/** Longer streams are not sent byte by byte. */
const BYTE_BY_BYTE = 250;
const PROBE = "/probe-after";

/** The ways in which a stream is cut. */
function cuts(text: string, seed: number): string[][] {
  const ways = [[text], new Random(seed).pieces(text, 6)];
  if (text.length <= BYTE_BY_BYTE && seed % 4 === 0) ways.push([...text]);
  return ways.filter((pieces) => pieces.every((piece) => piece !== ""));
}

/** Requests, in any pieces: what was accepted arrives once and unchanged, nothing else does. */
export async function checkRequests(gateway: Gateway, text: string, seed: number): Promise<string | null> {
  const expected = readRequests([text]);
  for (const pieces of cuts(text, seed)) {
    const cut = readRequests(pieces);
    if (JSON.stringify(cut) !== JSON.stringify(expected)) return `${pieces.length} pieces are read differently`;
    const fault = await checkRequestPieces(gateway, pieces, expected);
    if (fault !== null) return `in ${pieces.length} pieces: ${fault}`;
  }
  return null;
}

async function checkRequestPieces(
  gateway: Gateway,
  pieces: readonly string[],
  expected: Reading,
): Promise<string | null> {
  gateway.reset();
  const received = await gateway.exchange(pieces);
  if (gateway.unreadable.length > 0) {
    const strange = gateway.unreadable.filter((reason) => !isStrangeToLlhttp(reason));
    return strange.length === 0 ? null : `the origin cannot read: ${strange[0]}`;
  }
  const { arrived } = gateway;
  if (arrived.length !== expected.messages.length) {
    return `${arrived.length} requests arrived of ${expected.messages.length}`;
  }
  for (const [index, message] of expected.messages.entries()) {
    const fault = requestFault(message, arrived[index]!);
    if (fault !== null) return `request ${index + 1}: ${fault}: ${JSON.stringify(arrived[index])}`;
  }
  return checkAnswers(received, expected);
}

/** llhttp knows few methods and no raw bytes in targets: see `differences.ts`. */
function isStrangeToLlhttp(reason: string): boolean {
  return /^(Invalid method|Expected space after method|Expected HTTP\/2|Invalid char in url)/.test(reason);
}

/** One answer for each request, then the refusal if there is one, then nothing. */
function checkAnswers(received: string, expected: Reading): string | null {
  const methods = [...expected.messages.map(({ method }) => method), expected.refusedMethod];
  const asked = methods.map((method) => ({ toHead: method === "HEAD" }));
  const answers = llhttp.readResponses(received, asked, true);
  if (answers.refused !== null) return `the client cannot read: ${answers.refused}: ${JSON.stringify(received)}`;
  const statuses = answers.messages.map(({ status }) => status).filter((status) => status >= 200);
  const due: number[] = expected.messages.map(() => 200);
  if (expected.refused !== null) due.push(refusalStatus(expected.refused));
  return statuses.join() === due.join() ? null : `statuses ${statuses.join()} instead of ${due.join()}`;
}

function refusalStatus(refused: string): number {
  const code = refused.slice(0, refused.indexOf(":"));
  return code === "body" ? errors.DOWNSTREAM_MALFORMED.status : errors[code as ErrorCode].status;
}

/** A response, in any pieces: it reaches the client as the origin meant it, or as a failure; nothing leaks into the next one. */
export async function checkResponse(gateway: Gateway, stream: ResponseStream, seed: number): Promise<string | null> {
  const asked = { toHead: stream.toHead };
  const ends = stream.ended || readResponse(stream.text, asked, false).partial;
  const expected = readResponse(stream.text, asked, ends);
  for (const pieces of cuts(stream.text, seed)) {
    const fault = await checkResponsePieces(gateway, pieces, stream.toHead, ends, expected);
    if (fault !== null) return `in ${pieces.length} pieces: ${fault}`;
  }
  return null;
}

async function checkResponsePieces(
  gateway: Gateway,
  pieces: readonly string[],
  toHead: boolean,
  ends: boolean,
  expected: Reading,
): Promise<string | null> {
  gateway.reset();
  let sending: Promise<void> = Promise.resolve();
  gateway.answerWith((socket, { target }) => {
    if (target === PROBE) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe", "latin1");
    else {
      sending = sendPieces(socket, pieces).then(() => {
        if (ends) socket.end();
      });
    }
  });
  const received = await gateway.exchange([
    `${toHead ? "HEAD" : "GET"} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  ]);
  await sending;
  // What the origin sent too much has arrived before anybody asks again.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  const probe = await gateway.exchange([`GET ${PROBE} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`]);
  if (!/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nprobe$/.test(probe)) return `the next answer is ${JSON.stringify(probe)}`;
  return checkReceived(received, toHead, expected);
}

function checkReceived(received: string, toHead: boolean, expected: Reading): string | null {
  const got = llhttp.readResponses(received, [{ toHead }], true);
  const final = expected.messages.at(-1);
  if (final === undefined || final.status < 200) return checkFailure(got, received);
  if (got.refused !== null) return `the client cannot read: ${got.refused}: ${JSON.stringify(received)}`;
  const interims = (messages: readonly Message[]): string =>
    messages
      .map(({ status }) => status)
      .filter((status) => status > 100 && status < 200)
      .join();
  if (interims(got.messages) !== interims(expected.messages)) return "other interim responses";
  const answer = got.messages.at(-1);
  if (answer === undefined) return `no answer: ${JSON.stringify(received)}`;
  const fault = responseFault(final, answer);
  return fault === null ? null : `${fault}: ${JSON.stringify(received)}`;
}

/** A failure is a 502, or an answer that visibly breaks off. */
function checkFailure(got: Reading, received: string): string | null {
  const finals = got.messages.filter(({ status }) => status >= 200);
  if (finals.length === 0) return null;
  return finals.length === 1 && finals[0]!.status === 502 ? null : `taken for complete: ${JSON.stringify(received)}`;
}
