#!/usr/bin/python3
"""A BMC with Redfish over TLS.

    redfish.py STATE PORT       STATE also has cert.pem and key.pem; see clp.py
"""

import base64
import http.server
import json
import os
import ssl
import sys
import time

from device import STATE, fall, get, power, put, truth

PORT = int(sys.argv[2])
SYSTEM = '/redfish/v1/Systems/1'
TARGET = SYSTEM + '/Actions/ComputerSystem.Reset'


def state():
    fall()
    if get('falls_at'):
        return 'PoweringOff'
    return power()


def error(word):
    return {'error': {'code': 'iLO.0.10.ExtendedInfo',
                      '@Message.ExtendedInfo': [{'MessageId': word}]}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def allowed(self):
        given = self.headers.get('Authorization', 'Basic ')
        if base64.b64decode(given[6:]).decode() == get('login'):
            return True
        self.say(401, error('Base.1.0.NoValidSession'))

    def say(self, status, body=None):
        data = b''
        if body is not None:
            data = json.dumps(body, indent=1).encode()
        mode = get('mode')
        if mode == 'late':
            time.sleep(100)
        if mode == 'garbage':
            data = b'<html>"PowerState": "Off"</html>\xff\xfe'
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        if mode == 'dies':                  # no length: only the text can tell
            self.send_header('Connection', 'close')
            self.close_connection = True
            data = data[:data.find(b'"Actions"')] or data[:9]
        else:
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if mode == 'banner':
            time.sleep(2)
        step = {'split': 1}.get(mode, len(data) or 1)
        for place in range(0, len(data), step):
            self.wfile.write(data[place:place + step])
            self.wfile.flush()

    def do_GET(self):
        if not self.allowed():
            return
        if self.path == '/redfish/v1/Systems':
            members = [{'@odata.id': SYSTEM}]
            if get('mode') == 'chassis':
                members.append({'@odata.id': '/redfish/v1/Systems/2'})
            self.say(200, {'@odata.id': self.path, 'Members': members})
        elif self.path == SYSTEM:
            self.say(200, {
                '@odata.id': SYSTEM, 'PowerState': state(), 'SerialNumber': 'CZJ12345AB',
                'UUID': '30313043-534D-2500-90D8-7A5500000001',
                'Actions': {'#ComputerSystem.Reset': {
                    'ResetType@Redfish.AllowableValues': ['On', 'ForceOff'], 'target': TARGET}}})
        else:
            self.say(404, error('Base.1.0.ResourceMissing'))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])).decode())
        mode, kind = get('mode'), body.get('ResetType')
        if not self.allowed():
            return
        if mode == 'busy' and len(get('busy')) < 2:
            put('busy', get('busy') + '.')
            return self.say(503, error('iLO.2.24.ResourceNotReadyRetry'))
        if mode == 'refuses':
            return self.say(400, error('Base.1.0.InsufficientPrivilege'))
        if mode == 'lies' or (kind == 'ForceOff') == (truth() == 'Off'):
            return self.say(400, error('iLO.0.10.InvalidOperationForSystemState'))
        if mode == 'slow':
            put('falls_at', str(time.time() + 6))
        elif mode != 'says off':
            put('power', {'ForceOff': 'Off', 'On': 'On'}[kind])
        self.say(200, error('Base.0.10.Success'))


server = http.server.ThreadingHTTPServer(('127.0.0.1', PORT), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(STATE, 'cert.pem'), os.path.join(STATE, 'key.pem'))
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
