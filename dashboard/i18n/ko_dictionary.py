"""The data dictionary in Korean: what is said of a view or a column -> the same.

The English sentences are the comments of `pipeline/store/schema.sql` and of
`pipeline/casebook/analysis.py`; a test finds those without a translation.
"""

from __future__ import annotations

MEANINGS = {
    "The camera network: one row per camera of the registry.": (
        "카메라망. 등록부의 카메라마다 한 행."
    ),
    "Name of the camera in the registry, e.g. BC-00001.": (
        "등록부의 카메라 이름. 예: BC-00001."
    ),
    "Number along a Hilbert curve: neighbours on the ground have near numbers.": (
        "힐베르트 곡선 번호. 가까운 카메라는 번호도 가깝다."
    ),
    "Description of the place.": "설치 장소 설명.",
    "Purpose of installation as in the national CCTV standard table (설치목적구분).": (
        "전국 CCTV 표준데이터의 설치목적구분."
    ),
    "District (gu).": "구.",
    "Legal neighbourhood (dong).": "법정동.",
    "Longitude, WGS84 degrees.": "경도(WGS84, 도).",
    "Latitude, WGS84 degrees.": "위도(WGS84, 도).",
    "Height of the optics above the ground, metres.": "지면에서 렌즈까지 높이(m).",
    "Direction of view, degrees clockwise from north; null where unknown.": (
        "촬영 방향(북쪽에서 시계 방향, 도). 모르면 null."
    ),
    "Downward tilt, degrees: 0 is horizontal, 90 straight down.": (
        "아래로 기운 각(도). 0은 수평, 90은 수직 아래."
    ),
    "Horizontal field of view, degrees.": "수평 화각(도).",
    "Width x height of the picture, pixels.": "영상 크기(가로 x 세로, 픽셀).",
    "Month of installation, YYYY-MM.": "설치 연월(YYYY-MM).",
    "Days the operator keeps the footage of this camera.": (
        "이 카메라 영상의 보관 일수."
    ),
    "Where the entry comes from: synthetic, or the imported table.": (
        "자료 출처. 가상 또는 가져온 표."
    ),
    "active, outage or removed.": "active(정상), outage(고장), removed(철거).",
    "Whether the camera looks at an indoor place.": "실내를 찍는지 여부.",
    "Whether the registry holds a measured image-to-ground calibration.": (
        "실측한 영상-지면 보정값이 있는지 여부."
    ),
    "Error of that calibration on the ground, metres.": "그 보정의 지면 오차(m).",
    "Number of clips bound to the camera for demonstration.": (
        "시연을 위해 연결한 영상 수."
    ),
    "H3 cell of resolution 9 (about 0.1 km2).": "H3 9단계 구역(약 0.1 km2).",
    "H3 cell of resolution 10 (about 0.015 km2).": "H3 10단계 구역(약 0.015 km2).",
    "Centimetres east of the local origin (EPSG:5186, x 170000 m).": (
        "기준점에서 동쪽으로 cm(EPSG:5186, x 170000 m)."
    ),
    "Centimetres north of the local origin (EPSG:5186, y 535000 m).": (
        "기준점에서 북쪽으로 cm(EPSG:5186, y 535000 m)."
    ),
    "What was analysed: one row per part of footage (some minutes of one camera). No "
    "row means not analysed, which is not the same as nobody there.": (
        "분석한 영상. 조각(카메라 한 대의 몇 분)마다 한 행. 행이 없으면 분석하지 "
        "않은 것이며, 아무도 없었다는 뜻이 아니다."
    ),
    "Digest of the clip's content, camera and start.": (
        "영상 내용, 카메라, 시작 시각의 해시."
    ),
    "Number of the part within the footage, from 0.": "영상 안의 조각 번호(0부터).",
    "Camera that recorded it.": "촬영한 카메라.",
    "Number of that camera.": "그 카메라의 번호.",
    "Start of the part, inclusive.": "조각의 시작(포함).",
    "End of the part, exclusive.": "조각의 끝(제외).",
    "Where the start came from: argument, file name or registry.": (
        "시작 시각의 출처. 인수, 파일 이름 또는 등록부."
    ),
    "Path of the clip as given.": "입력한 영상 경로.",
    "SHA-256 of the clip.": "영상의 SHA-256.",
    "Start of the part within the clip, seconds.": "영상 안에서 조각이 시작하는 초.",
    "Whether the clip ends with this part.": "영상의 마지막 조각인지 여부.",
    "Frames per second of the clip.": "초당 프레임 수.",
    "Width of the picture, pixels.": "영상 가로(픽셀).",
    "Height of the picture, pixels.": "영상 세로(픽셀).",
    "Frames read from the clip.": "읽은 프레임 수.",
    "Frames in which persons were sought.": "사람을 찾은 프레임 수.",
    "Frames that could not be decoded and were skipped.": "손상되어 건너뛴 프레임 수.",
    "Person detections.": "사람 검출 수.",
    "Tracklets stored.": "저장한 통행 수.",
    "Face detections.": "얼굴 검출 수.",
    "Tracklets with a mask over mouth and nose.": "마스크를 바르게 쓴 통행 수.",
    "Tracklets with a mask below the nose.": "마스크를 코 아래로 쓴 통행 수.",
    "Tracklets without a mask.": "마스크를 쓰지 않은 통행 수.",
    "Tracklets whose mask could not be told.": "마스크를 판정할 수 없는 통행 수.",
    "Seconds the analysis took.": "분석에 걸린 초.",
    "JSON: role of each model, its name and SHA-256.": (
        "JSON. 모델의 역할, 이름, SHA-256."
    ),
    "JSON: thresholds and sampling used; at triage also how many frames were passed "
    "over and the longest gap, seconds.": (
        "JSON. 사용한 기준값과 표본 간격. triage에서는 건너뛴 프레임 수와 가장 긴 "
        "공백(초)도 있다."
    ),
    "full: every moment in which something moved was looked at. triage: key frames "
    "only; people may be missing.": (
        "full은 움직임이 있는 모든 순간을 보았다. triage는 키 프레임만 보았으며 "
        "빠진 사람이 있을 수 있다."
    ),
    "Version of the software.": "소프트웨어 버전.",
    "When the analysis ended.": "분석을 마친 시각.",
    "Whether the part was simulated, not filmed.": "촬영이 아닌 모의 자료인지 여부.",
    "Number of (footage_id, part).": "(footage_id, part)의 번호.",
    "Publication that holds the part's rows.": "이 조각의 행이 든 발행 단위.",
    "How often the part was rewritten (compacted or analysed again).": (
        "다시 쓴 횟수(압축 또는 재분석)."
    ),
    "UTC date in which the part starts; a filter on it skips the other folders.": (
        "조각이 시작하는 UTC 날짜. 조건으로 쓰면 다른 폴더를 읽지 않는다."
    ),
    "UTC hour in which the part starts, 0 to 23.": "조각이 시작하는 UTC 시(0~23).",
    "One person's pass before one camera: one row each. Persons are not named; "
    "embeddings are left out.": (
        "한 사람이 카메라 앞을 지난 통행마다 한 행. 이름은 없으며 특징 벡터는 제외한다."
    ),
    "Number of the tracklet; sorts by camera, then time.": (
        "통행 번호. 카메라, 시각 순으로 정렬된다."
    ),
    "Camera that saw the person.": "사람을 포착한 카메라.",
    "First detection.": "첫 검출 시각.",
    "Last detection.": "마지막 검출 시각.",
    "Number of detections.": "검출 수.",
    "Longitude of the first ground point, WGS84 degrees; null where the camera has "
    "no calibration.": ("첫 지면 위치의 경도(WGS84, 도). 보정되지 않은 카메라는 null."),
    "Latitude of the first ground point, WGS84 degrees.": (
        "첫 지면 위치의 위도(WGS84, 도)."
    ),
    "Longitude of the last ground point, WGS84 degrees.": (
        "마지막 지면 위치의 경도(WGS84, 도)."
    ),
    "Latitude of the last ground point, WGS84 degrees.": (
        "마지막 지면 위치의 위도(WGS84, 도)."
    ),
    "One standard deviation of the ground points, metres.": "지면 위치의 표준편차(m).",
    "Detections in which a face was seen.": "얼굴이 보인 검출 수.",
    "Whether a face embedding is stored.": "얼굴 특징 벡터가 저장되어 있는지 여부.",
    "Model of the face embedding; null without one.": "얼굴 특징 모델. 없으면 null.",
    "Quality of the best face, 0 to 1.": "가장 좋은 얼굴의 품질(0~1).",
    "Width of the best face, pixels.": "가장 좋은 얼굴의 가로(픽셀).",
    "Whether an appearance (clothing) embedding is stored.": (
        "외형(옷차림) 특징 벡터가 저장되어 있는지 여부."
    ),
    "Model of the appearance embedding; null without one.": (
        "외형 특징 모델. 없으면 null."
    ),
    "Mask over the whole pass: worn, incorrect (below the nose), none or unknown.": (
        "통행 전체의 마스크. worn(착용), incorrect(코 아래), none(미착용), "
        "unknown(알 수 없음)."
    ),
    "Calibrated probability of that state; null when unknown.": (
        "그 상태의 보정된 확률. unknown이면 null."
    ),
    "Moment of the best view.": "가장 잘 보인 시각.",
    "Person box at that moment: left, pixels.": "그때의 사람 상자 왼쪽(픽셀).",
    "Person box at that moment: top, pixels.": "그때의 사람 상자 위(픽셀).",
    "Person box at that moment: width, pixels.": "그때의 사람 상자 가로(픽셀).",
    "Person box at that moment: height, pixels.": "그때의 사람 상자 세로(픽셀).",
    "Footage in which the person was seen.": "사람이 포착된 영상.",
    "Part of that footage.": "그 영상의 조각.",
    "UTC date in which the part of footage starts; a filter on it skips the other "
    "folders.": (
        "영상 조각이 시작하는 UTC 날짜. 조건으로 쓰면 다른 폴더를 읽지 않는다."
    ),
    "UTC hour in which the part of footage starts, 0 to 23.": (
        "영상 조각이 시작하는 UTC 시(0~23)."
    ),
    "A person in one analysed frame: one row each.": (
        "분석한 프레임 속 사람마다 한 행."
    ),
    "Tracklet the detection belongs to.": "검출이 속한 통행.",
    "Moment of the frame.": "프레임의 시각.",
    "The same moment as Unix time, whole seconds.": "같은 시각의 유닉스 시간(초).",
    "Number of the frame within the clip; null when simulated.": (
        "영상 안의 프레임 번호. 모의 자료는 null."
    ),
    "Person box: left, pixels.": "사람 상자 왼쪽(픽셀).",
    "Person box: top, pixels.": "사람 상자 위(픽셀).",
    "Person box: width, pixels.": "사람 상자 가로(픽셀).",
    "Person box: height, pixels.": "사람 상자 세로(픽셀).",
    "Score of the person detector, 0 to 1.": "사람 검출 점수(0~1).",
    "Longitude of the ground point, WGS84 degrees; null where the camera has no "
    "calibration.": ("지면 위치의 경도(WGS84, 도). 보정되지 않은 카메라는 null."),
    "Latitude of the ground point, WGS84 degrees.": "지면 위치의 위도(WGS84, 도).",
    "Longitude of the ground point, WGS84 degrees.": "지면 위치의 경도(WGS84, 도).",
    "One standard deviation of the ground point, metres.": "지면 위치의 표준편차(m).",
    "Face box: left, pixels; null where no face was seen.": (
        "얼굴 상자 왼쪽(픽셀). 얼굴이 보이지 않으면 null."
    ),
    "Face box: top, pixels.": "얼굴 상자 위(픽셀).",
    "Face box: width, pixels.": "얼굴 상자 가로(픽셀).",
    "Face box: height, pixels.": "얼굴 상자 세로(픽셀).",
    "Score of the face detector, 0 to 1.": "얼굴 검출 점수(0~1).",
    "Mask in this frame: worn, incorrect, none or unknown; null where no face was "
    "seen.": (
        "이 프레임의 마스크. worn, incorrect, none, unknown. 얼굴이 보이지 않으면 null."
    ),
    "The mask in every frame in which a face was seen: one row each.": (
        "얼굴이 보인 프레임마다 마스크 판정 한 행."
    ),
    "Tracklet the face belongs to.": "얼굴이 속한 통행.",
    "Camera that saw the face.": "얼굴을 포착한 카메라.",
    "worn, incorrect (below the nose), none or unknown. Unknown is an answer: the "
    "face was too small or too poor to tell.": (
        "worn(착용), incorrect(코 아래), none(미착용), unknown. unknown도 답이다. "
        "얼굴이 너무 작거나 흐려 판정할 수 없었다."
    ),
    "Width of the face, pixels.": "얼굴 가로(픽셀).",
    "Height of the face, pixels.": "얼굴 세로(픽셀).",
    "Footage in which the face was seen.": "얼굴이 포착된 영상.",
    "One row per case whose order is in force: what its newest trace found, in "
    "figures.": ("승인서가 유효한 사례마다 한 행. 최근 추적 결과의 수치."),
    "One row per contact of a case; no place, no moment.": (
        "사례의 접촉자마다 한 행. 장소와 시각은 없다."
    ),
    "Contacts by cell and hour; cells with fewer than 5 are left out.": (
        "구역과 시간대별 접촉자. 5명 미만인 구역은 제외한다."
    ),
    "Code of the case; differs from installation to installation and changes with "
    "the key.": ("사례 부호. 설치마다 다르며 키를 바꾸면 바뀐다."),
    "Sightings on the path.": "동선에 포함된 포착 수.",
    "Legs of the path before a camera.": "카메라 앞에서 포착된 구간 수.",
    "Legs of the path between cameras.": "카메라 사이를 추정한 구간 수.",
    "Length of the path, rounded to 100 m.": "동선 길이(100 m 단위 반올림).",
    "Contacts; in case_exposure, of that cell and hour.": (
        "접촉자 수. case_exposure에서는 그 구역과 시간대의 수."
    ),
    "Of them close by the guideline.": "그중 지침상 밀접 접촉자 수.",
    "Code of the contact within the case.": "사례 안의 접촉자 부호.",
    "Guideline class: close or casual.": "지침 분류. close(밀접) 또는 casual(일상).",
    "Minutes within the distance in the worst 24 hours, seen and inferred, rounded up "
    "to 5.": ("가장 길었던 24시간 동안 거리 안에 있던 분(관찰과 추정, 5분 단위 올림)."),
    "Whether the least distance was under a metre.": "최소 거리가 1 m 미만인지 여부.",
    "Mask of the patient: worn, incorrect, none, unknown or mixed.": (
        "환자의 마스크. worn, incorrect, none, unknown, mixed(섞임)."
    ),
    "Mask of the contact.": "접촉자의 마스크.",
    "Relative dose index, rounded to 0.1; no probability of infection.": (
        "상대 노출 지수(0.1 단위). 감염 확률이 아니다."
    ),
    "H3 cell.": "H3 구역.",
    "Hour, UTC.": "시간대(UTC).",
    "Minutes of others within the distance, summed.": (
        "거리 안에 있던 다른 사람들의 분 합계."
    ),
}
