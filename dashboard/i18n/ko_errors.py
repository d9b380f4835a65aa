"""Korean sentences for the errors that people at the pages can meet, by their code.

The program's own sentences are English (`pipeline.errors`); `dashboard.refusals` says
these in their place. Words of values: `order_state`, `followup`, `role` and `roles` are
given in Korean, moments in the city's time.
"""

from __future__ import annotations

TEXTS = {
    # log-in and roles
    "login_wrong": "이름 또는 비밀번호가 맞지 않습니다.",
    "login_needed": "로그인되어 있지 않습니다. 다시 로그인하십시오.",
    "login_no_oidc": "이 설치에는 기관 계정(OpenID) 로그인이 없습니다.",
    "login_provider": "기관 계정으로 로그인하지 못했습니다. 처음부터 다시 하십시오.",
    "login_provider_down": "기관 계정 서버에 연결할 수 없습니다. 관리자에게 "
    "문의하십시오.",
    "session_ended": "{name} 님의 로그인이 끝났습니다({minutes}분간 사용하지 않거나 "
    "{hours}시간 경과). 다시 로그인하십시오.",
    "proxy_nobody": "프록시가 사용자를 알려 주지 않았습니다. 화면을 다시 여십시오.",
    "proxy_only": "이 화면은 지정된 프록시를 통해서만 열 수 있습니다.",
    "this_machine_only": "이 화면은 이 컴퓨터에서만 열 수 있습니다. http://127.0.0.1 "
    "주소로 여십시오.",
    "foreign_page": "다른 주소의 화면에서 온 요청입니다. 이 화면을 직접 여십시오.",
    "too_often": "시도가 너무 많습니다. 1분 뒤에 다시 하십시오.",
    "settings_wrong": "프로그램 설정이 잘못되어 로그인할 수 없습니다. 관리자에게 "
    "문의하십시오.",
    "left_alone": "오래 사용하지 않아 화면이 닫혔습니다. 새로 고치십시오.",
    "account_locked": "{name} 계정은 비밀번호를 {failures}번 틀려 {until}까지 "
    "잠겼습니다. 기다리거나 관리자에게 문의하십시오.",
    "account_none": "{user} 계정이 없거나 사용할 수 없습니다. 관리자에게 문의하십시오.",
    "account_external": "{name}의 신원은 확인했으나 이곳에 계정이 없습니다. 관리자에게 "
    "문의하십시오.",
    "password_short": "새 비밀번호가 {length}자입니다. {least}자 이상이어야 합니다. "
    "예: 단어 네 개.",
    "password_same": "새 비밀번호가 이전과 같습니다. 다른 것을 고르십시오.",
    "passwords_differ": "새 비밀번호 두 개가 서로 다릅니다. 다시 입력하십시오.",
    "role_forbids": "{role} 역할로는 할 수 없습니다. 할 수 있는 역할: {roles}.",
    # cases and orders
    "case_unknown": "사례 {case}이(가) 없습니다.",
    "case_closed": "사례 {case}은(는) {at}에 종결되어 더 이상 다룰 수 없습니다.",
    "test_missing": "양성 판정의 근거(검사 방법과 보고 번호)를 입력하십시오. 확진자만 "
    "추적할 수 있습니다.",
    "isolation_early": "격리({isolated})가 증상 발생({onset})보다 앞섭니다. 두 날짜를 "
    "확인하십시오.",
    "in_future": "{at}은(는) 아직 오지 않은 시각입니다.",
    "order_needed": "승인이 필요합니다. 추적을 신청하고 다른 사람의 승인을 받으십시오.",
    "order_not_in_force": "사례 {case}에 유효한 승인이 없습니다. 추적을 신청하고 다른 "
    "사람의 승인을 받으십시오.",
    "order_expired": "사례 {case}의 추적 승인서 {order}번이 {at}에 만료되었습니다. "
    "새로 신청하십시오.",
    "order_over": "사례 {case}의 추적 승인서 {order}번은 더 이상 유효하지 않습니다. "
    "새로 신청하십시오.",
    "order_other": "이 화면의 권한은 다른 승인서로 받은 것입니다. 다시 여십시오.",
    "order_unknown": "추적 승인서 {order}번이 없습니다.",
    "order_incomplete": "{order_field}을(를) 입력하십시오.",
    "order_validity": "만료는 지금 이후 {days}일 이내여야 합니다.",
    "order_own": "추적 승인서 {order}번은 본인이 신청했으므로 다른 사람이 결정해야 "
    "합니다.",
    "order_decided": "추적 승인서 {order}번은 {order_state} 상태입니다. 승인을 "
    "기다리는 것만 결정할 수 있습니다.",
    "order_not_revocable": "추적 승인서 {order}번은 이미 끝나 철회할 수 없습니다.",
    "window_reversed": "기간의 시작이 끝보다 앞서야 합니다.",
    "window_early": "기간의 시작이 증상 발생 {days}일 전보다 앞섭니다. 가장 이른 "
    "시각은 {earliest}입니다.",
    "window_late": "기간의 끝이 허용된 마지막 시각({latest})보다 늦습니다.",
    "area_missing": "지도 자료에 부천시 경계가 없어 대상 지역을 정할 수 없습니다. "
    "관리자에게 문의하십시오.",
    "purpose_needed": "목적을 입력하십시오. 기록됩니다.",
    "job_gone": "사례 {case}에 대기하거나 진행 중인 작업 {job}번이 없습니다.",
    "job_stopped": "{user} 님이 중지했습니다.",
    "job_silent": "추적 작업 프로그램이 {times}번 응답하지 않았습니다. 관리자에게 "
    "문의하십시오.",
    "job_broke": "추적 작업이 중단되었습니다({what}). 관리자에게 문의하십시오.",
    "gallery_empty": "사례 {case}에 사진이나 지정한 통행이 없습니다. 사례 화면에서 "
    "추가한 뒤 다시 추적하십시오.",
    "pass_outside": "통행 {tracklet}은(는) 사례 {case}의 추적 승인서 {order}번이 여는 "
    "기록에 없습니다. 번호를 확인하거나 이를 포함하는 승인을 신청하십시오.",
    # photos
    "photo_no_face": "사진에서 얼굴을 찾지 못했습니다. 고른 빛에서 정면으로 찍은 "
    "사진을 쓰십시오.",
    "photo_faces": "사진에 얼굴이 {number}개 있습니다. 한 사람만 남기고 자르십시오.",
    "photo_small": "얼굴 너비가 {width:.0f}픽셀입니다. {least:.0f}픽셀 이상이어야 "
    "합니다.",
    "photo_turned": "얼굴이 돌아가 있습니다. 정면 사진을 쓰십시오.",
    "photo_blurred": "얼굴이 흐립니다. 더 선명한 사진을 쓰십시오.",
    "photo_large": "사진이 너무 큽니다. 줄여서 추가하십시오.",
    "photo_tiny": "사진이 {width} x {height}픽셀이라 얼굴이 보이지 않습니다. 더 큰 "
    "사진을 쓰십시오.",
    "photo_unreadable": "읽을 수 있는 사진이 아닙니다. JPEG 또는 PNG를 쓰십시오.",
    "weights": "모델 {name}의 가중치를 쓸 수 없습니다. 관리자에게 문의하십시오"
    "(dongseon models fetch).",
    # trace, contacts, statements
    "no_trace": "사례 {case}은(는) 아직 추적되지 않았습니다.",
    "no_run": "사례 {case}에 추적 결과 {run}이(가) 없습니다.",
    "result_unreadable": "추적 결과를 읽을 수 없습니다. 사례를 다시 추적하십시오.",
    "still_outside": "이 통행은 추적 승인서 {order}번의 기간과 지역 밖입니다.",
    "still_no_footage": "이 통행의 영상 기록이 삭제되어 정지 화면이 없습니다.",
    "still_gone": "원본 영상 파일이 없어 정지 화면이 없습니다.",
    "still_changed": "원본 영상 파일이 분석 이후 바뀌어 정지 화면을 만들지 않습니다.",
    "still_damaged": "이 순간의 영상이 손상되어 정지 화면이 없습니다.",
    "contact_unknown": "사례 {case}의 결과에 접촉자 {contact}이(가) 없습니다.",
    "contact_unconfirmed": "{contact}이(가) 가까이 있던 포착을 두 사람이 인정하지 "
    "않았습니다. 통보하기 전에 동선 화면에서 검토하십시오.",
    "followup_order": "{contact}은(는) 지금 '{followup}' 상태여서 바로 "
    "'{wanted}'(으)로 바꿀 수 없습니다.",
    "entry_unknown": "사례 {case}에 {number}번 항목이 없습니다.",
    "no_place": "지구 위의 장소가 아닙니다. 위도와 경도를 37.503, 126.783처럼 "
    "입력하십시오.",
    "uncertainty": "오차 {value:g}은(는) {low:g} 이상 {high:g} 이하여야 합니다"
    "({unit}).",
    "place_long": "장소 설명이 200자를 넘습니다. 줄이십시오.",
    "statement_outside": "진술이 사례 {case}의 추적 승인서 {order}번의 기간이나 지역 "
    "밖입니다. 시각과 장소를 확인하거나 이를 포함하는 승인을 신청하십시오.",
    # SQL
    "sql_slow": "질의가 {seconds:g}초를 넘었습니다. WHERE date = DATE '2025-11-03'처럼 "
    "범위를 좁히십시오.",
    "sql_long": "질의가 {number:,}자입니다. {most:,}자까지 쓸 수 있습니다.",
    "sql_one": "한 번에 SELECT 한 개만 실행할 수 있습니다.",
    "sql_nested": "질의가 너무 깊이 겹쳐 있습니다. 간단히 하십시오.",
    "sql_function": "함수 {name}은(는) 쓸 수 없습니다. 쓸 수 있는 뷰: {views}.",
    "sql_source": "FROM에 {name}을(를) 쓸 수 없습니다. 쓸 수 있는 뷰: {views}.",
    "sql_view": "뷰 {name}이(가) 없습니다. 쓸 수 있는 뷰: {views}.",
    "sql_select": "SELECT만 쓸 수 있습니다. 뷰는 읽기 전용입니다.",
    "sql_unreadable": "질의를 읽을 수 없습니다. 데이터베이스의 설명: {error}",
    "sql_failed": "질의를 실행하지 못했습니다. 데이터베이스의 설명: {error}",
    # the city's data
    "segment_damaged": "관측 기록의 일부를 읽을 수 없습니다. 관리자에게 "
    "문의하십시오(dongseon store repair).",
    "segment_rewritten": "읽는 동안 관측 기록이 다시 쓰였습니다. 다시 추적하십시오.",
    "store_away": "관측 기록 저장소에 연결할 수 없습니다. 관리자에게 문의하십시오.",
    "registry_missing": "카메라 대장이 없습니다. 관리자에게 문의하십시오"
    "(dongseon cameras import).",
    "registry_unreadable": "카메라 대장을 읽을 수 없습니다. 관리자에게 문의하십시오.",
    "roads_wrong": "도로 자료 {path}을(를) 쓸 수 없습니다. 설정의 roads를 "
    "확인하십시오.",
    "streets_wrong": "가로망 자료를 쓸 수 없습니다. 설정의 streets를 확인하십시오.",
    # the casebook itself
    "casebook_sealed": "암호화된 항목을 열 수 없습니다. 관리자에게 문의하십시오.",
    "key_wrong": "사례 대장의 열쇠를 쓸 수 없습니다. 관리자에게 문의하십시오.",
    "casebook_rule": "규칙에 어긋나 저장하지 않았습니다.",
    "casebook_closed": "사례 대장을 읽거나 쓸 수 없습니다. 관리자에게 문의하십시오.",
    "casebook_newer": "사례 대장이 더 새로운 프로그램으로 작성되었습니다. 프로그램을 "
    "업데이트하십시오.",
    "witness": "저장했으나 감사 증거 파일에 쓸 수 없습니다. 관리자에게 문의하십시오.",
    "purge_busy": "기한이 지난 자료는 모두 파기했으나 사용 중이어서 파일을 다시 쓰지 "
    "못했습니다. 증명서를 받으려면 다시 파기하십시오.",
    "purge_space": "사례 대장을 다시 쓸 수 없습니다({error}). 공간을 확보하고 다시 "
    "파기하십시오.",
}
#: Where no sentence is known: the program's own one, said to be so.
OTHER = "처리하지 못했습니다. 프로그램의 설명(영어): {text}"
#: Words that values bring.
WORDS = {"legal basis": "법적 근거", "purpose": "목적", "seconds": "초", "metres": "m"}
